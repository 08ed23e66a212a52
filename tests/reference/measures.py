"""What scikit-learn measures on a small seeded set: the reference of the steps `quality` and `findings`.

Usage: python3 measures.py   (scikit-learn 1.9; writes measures.json beside itself)
"""
import json, pathlib
import numpy as np
from sklearn.manifold import trustworthiness
from sklearn.metrics import confusion_matrix, silhouette_samples
from sklearn.model_selection import LeaveOneGroupOut, LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, LocalOutlierFactor

K = 10
rng = np.random.default_rng(11)
# Four classes that overlap; `a` and `b` have three sequences each, `c` two, `d` one: nobody can judge `d`.
names = [("a", ""), ("a", "r_"), ("a", "r2_"), ("b", ""), ("b", "r_"), ("b", "r2_"), ("c", ""), ("c", "r_"), ("d", "")]
keys, labels, groups, high = [], [], [], []
for number, (label, prefix) in enumerate(names):
    middle = rng.normal(0, 1.5, 4) + np.repeat(ord(label) - ord("a"), 4)
    for frame in range(15 + 2 * number):
        keys.append(f"{label}/{prefix}{frame:02}_100.jpg")
        labels.append(label)
        groups.append(number)
        high.append(middle + rng.normal(0, 1, 4))
high = np.array(high, dtype=np.float32)
low = (high[:, :2] + rng.normal(0, 0.7, (len(high), 2))).astype(np.float32)
labels, groups = np.array(labels), np.array(groups)

judged = labels != "d"
knn = KNeighborsClassifier(K, algorithm="brute")
expected = {"by_neighbors": []}
for k in (5, K, 12):
    expected["by_neighbors"].append(
        {"k": k, "trustworthiness": trustworthiness(high, low, n_neighbors=k), "continuity": trustworthiness(low, high, n_neighbors=k)}
    )
for name, points in (("pca", high), ("tsne", low)):
    points = points.astype(float)
    votes = cross_val_predict(knn, points, labels, cv=LeaveOneOut())
    others = cross_val_predict(knn, points, labels, cv=LeaveOneGroupOut(), groups=groups)
    silhouettes = silhouette_samples(points, labels)
    classes = np.unique(labels)
    expected[name] = {
        "accuracy": np.mean(votes == labels),
        "accuracy_other_sequences": np.mean(others[judged] == labels[judged]),
        "silhouette": silhouettes.mean(),
        "class_accuracy": [np.mean(votes[labels == c] == c) for c in classes],
        "class_silhouette": [silhouettes[labels == c].mean() for c in classes],
        "confusion": confusion_matrix(labels, votes, labels=classes).tolist(),
    }
expected["outlier_score"] = (-LocalOutlierFactor(20, algorithm="brute").fit(high.astype(float)).negative_outlier_factor_).tolist()

data = {"key": keys, "label": labels.tolist(), "high": high.astype(float).tolist(), "low": low.astype(float).tolist(), "expected": expected}
text = json.dumps(data, default=float).replace("], [", "],\n[")
(pathlib.Path(__file__).parent / "measures.json").write_text(text + "\n")

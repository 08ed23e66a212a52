//! A descriptor of a user's own: the one of `examples/toy_descriptor.rs`, in a file.

use fruits::features::Descriptor;

use crate::run::project;

#[allow(dead_code, reason = "its `main` is for those who start it")]
#[path = "../../examples/toy_descriptor.rs"]
mod toy_descriptor;

use self::toy_descriptor::{Brightness, explore};

#[test]
fn it_takes_one_file_and_describes_photographs() {
    let (images, pca, quality) =
        explore(&project().join("data-sample").display().to_string()).expect("the chain ends");
    assert_eq!((images.height(), pca.n_features()), (quality.n_sampled, 64));
    let labels = images.column("label").expect("a column");
    let n_classes = labels.n_unique().expect("a count");
    // A tenth of the way from chance to certainty is far from what photographs of fruits leave to the brightness.
    let chance = 1.0 / n_classes as f64;
    let accuracy = quality.knn_accuracy_pca.expect("labels");
    assert!(accuracy > 0.1 + 0.9 * chance, "{accuracy}");
}

#[test]
fn its_values_are_means_of_cells() {
    let mut image = vec![0; Brightness.input().n_bytes()];
    let upper_half = image.len() / 2;
    image[..upper_half].fill(255);
    let values = Brightness.describe(&[&image]).expect("values");
    assert_eq!(values, [vec![1.0; 32], vec![0.0; 32]].concat());
    assert!(Brightness.describe(&[&image[1..]]).is_err());
}

//! One set of points laid over another: translation, rotation or reflection, and one scale.

/// A point of the plane.
pub type Point = [f64; 2];

/// The similarity that brings points nearest to others, in the least squares.
///
/// With both sets centred, x the points to move and y their goals, it minimises the sum of |y - s T x|^2 over s and all
/// orthogonal T. T makes the sum of y'Tx largest (Schönemann 1966), and s is that sum over the sum of |x|^2 (Gower
/// 1975). In the plane T is a rotation, for which the largest sum is |sum of conj(x) y| with points as complex numbers,
/// or a rotation after the reflection x -> conj(x), for which it is |sum of x y|: these two are the sum and the
/// difference of the singular values of the 2 x 2 matrix of products, so the larger one is what its singular value
/// decomposition gives, and its argument is the angle.
///
/// # References
/// Schönemann, A generalized solution of the orthogonal Procrustes problem, Psychometrika 31, 1966.
/// Gower, Generalized Procrustes analysis, Psychometrika 40, 1975.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    /// Factor, 0 or more.
    pub scale: f64,
    /// Cosine and sine of the angle.
    pub turn: Point,
    /// Whether y becomes -y before the rotation.
    pub reflected: bool,
    from: Point,
    to: Point,
    /// Root mean square distance of the goals from their mean.
    pub radius: f64,
    /// Sum of the squared distances that remain, relative to that of the goals from their mean: 0 to 1. This is the
    /// disparity of `scipy.spatial.procrustes`, which is the same for both directions.
    pub disparity: f64,
}

/// Which points lie all at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collapsed {
    /// Those to move.
    From,
    /// Their goals.
    To,
}

impl Similarity {
    /// Lays `from` over `to`; both have as many points, at least one, all finite.
    ///
    /// # Errors
    /// Which of them has no shape: all its points lie at one place.
    pub fn fit(from: &[Point], to: &[Point]) -> Result<Self, Collapsed> {
        let is_one_place = |points: &[Point]| points.iter().all(|point| *point == points[0]);
        if is_one_place(to) {
            return Err(Collapsed::To);
        }
        if is_one_place(from) {
            return Err(Collapsed::From);
        }
        let (from_mean, to_mean) = (mean(from), mean(to));
        let pairs = || {
            let pairs = from.iter().zip(to);
            pairs.map(|(x, y)| (minus(*x, from_mean), minus(*y, to_mean)))
        };
        let sum = |term: fn(Point, Point) -> f64| pairs().map(|(x, y)| term(x, y)).sum::<f64>();
        let plain = [
            sum(|x, y| x[0] * y[0] + x[1] * y[1]),
            sum(|x, y| x[0] * y[1] - x[1] * y[0]),
        ];
        let mirrored = [
            sum(|x, y| x[0] * y[0] - x[1] * y[1]),
            sum(|x, y| x[0] * y[1] + x[1] * y[0]),
        ];
        // Points on one line can be laid either way, and rounding must not choose the reflection.
        let reflected = length(mirrored) > length(plain) * (1.0 + 1e-12);
        let best = if reflected { mirrored } else { plain };
        let largest = length(best);
        let turn = match largest > 0.0 {
            true => [best[0] / largest, best[1] / largest],
            false => [1.0, 0.0],
        };
        let squares = sum(|_, y| y[0] * y[0] + y[1] * y[1]);
        let mut fit = Self {
            scale: largest / sum(|x, _| x[0] * x[0] + x[1] * x[1]),
            turn,
            reflected,
            from: from_mean,
            to: to_mean,
            radius: (squares / to.len() as f64).sqrt(),
            disparity: 0.0,
        };
        let left = pairs().map(|(x, y)| {
            let [dx, dy] = minus(y, fit.transform(x));
            dx * dx + dy * dy
        });
        fit.disparity = (left.sum::<f64>() / squares).min(1.0);
        Ok(fit)
    }

    /// Where a point comes to lie.
    pub fn apply(&self, point: Point) -> Point {
        let [x, y] = self.transform(minus(point, self.from));
        [self.to[0] + x, self.to[1] + y]
    }

    /// The same around the origin.
    fn transform(&self, [x, y]: Point) -> Point {
        let y = if self.reflected { -y } else { y };
        let [cos, sin] = self.turn;
        [
            self.scale * (cos * x - sin * y),
            self.scale * (sin * x + cos * y),
        ]
    }

    /// The angle in degrees, counter-clockwise, -180 to 180.
    pub fn degrees(&self) -> f64 {
        self.turn[1].atan2(self.turn[0]).to_degrees()
    }
}

fn mean(points: &[Point]) -> Point {
    let n = points.len() as f64;
    [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / n)
}

fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1]]
}

/// Distance from the origin.
pub fn length([x, y]: Point) -> f64 {
    x.hypot(y)
}

/// Distance of two points.
pub fn distance(a: Point, b: Point) -> f64 {
    length(minus(a, b))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// Points without order, the same at each call.
    fn points(n: u32, seed: u32) -> Vec<Point> {
        let value = |i: u32| {
            let mixed = (i ^ seed.wrapping_mul(2_654_435_769)).wrapping_mul(2_246_822_519);
            f64::from((mixed ^ (mixed >> 15)).wrapping_mul(3_266_489_917) >> 8) / f64::from(1 << 20)
        };
        (0..n)
            .map(|i| [value(2 * i), 3.0 * value(2 * i + 1)])
            .collect()
    }

    #[test]
    fn a_copy_that_was_moved_comes_back() {
        let to = points(200, 1);
        for (degrees, reflected) in [(0.0, false), (37.0, false), (-120.0, true), (180.0, false)] {
            let angle = f64::to_radians(degrees);
            let copy = |[x, y]: &Point| {
                let (x, y) = (0.3 * x + 5.0, 0.3 * y - 900.0);
                let y = if reflected { -y } else { y };
                let (sin, cos) = angle.sin_cos();
                [cos * x - sin * y, sin * x + cos * y]
            };
            let from: Vec<Point> = to.iter().map(copy).collect();
            let fit = Similarity::fit(&from, &to).unwrap();
            assert!(fit.disparity < 1e-12, "{fit:?}");
            assert!((fit.scale - 1.0 / 0.3).abs() < 1e-9, "{fit:?}");
            assert_eq!(fit.reflected, reflected);
            for (x, y) in from.iter().zip(&to) {
                assert!(distance(fit.apply(*x), *y) < 1e-9 * fit.radius);
            }
        }
    }

    #[test]
    fn the_same_points_are_left_where_they_are_exactly() {
        let to = points(100, 2);
        let fit = Similarity::fit(&to, &to).unwrap();
        assert_eq!((fit.disparity, fit.degrees()), (0.0, 0.0));
        let line: Vec<Point> = (0..9)
            .map(|i| [f64::from(i) * 0.1, f64::from(i) * 0.7])
            .collect();
        let fit = Similarity::fit(&line, &line).unwrap();
        assert!(!fit.reflected && fit.disparity < 1e-30, "{fit:?}");
    }

    #[test]
    fn no_other_similarity_is_nearer() {
        let (from, to) = (points(50, 3), points(50, 4));
        let fit = Similarity::fit(&from, &to).unwrap();
        let left = |fit: &Similarity| {
            let distances = from.iter().zip(&to);
            let squares = distances.map(|(x, y)| distance(fit.apply(*x), *y).powi(2));
            squares.sum::<f64>()
        };
        for step in [1e-3, -1e-3] {
            let (sin, cos) = f64::sin_cos(step);
            let [c, s] = fit.turn;
            let turned = Similarity {
                turn: [cos * c - sin * s, sin * c + cos * s],
                ..fit
            };
            let scaled = Similarity {
                scale: fit.scale * (1.0 + step),
                ..fit
            };
            let shifted = Similarity {
                to: [fit.to[0] + step, fit.to[1]],
                ..fit
            };
            for other in [turned, scaled, shifted] {
                assert!(left(&fit) < left(&other));
            }
        }
        let other_way = Similarity::fit(&to, &from).unwrap();
        assert!((other_way.disparity - fit.disparity).abs() < 1e-12);
    }

    #[test]
    fn points_at_one_place_have_no_shape() {
        let (cloud, heap) = (points(5, 5), vec![[0.1, 0.2]; 5]);
        assert_eq!(Similarity::fit(&heap, &cloud), Err(Collapsed::From));
        assert_eq!(Similarity::fit(&cloud, &heap), Err(Collapsed::To));
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        baseline: Vec<Point>,
        now: Vec<Point>,
        disparity: f64,
        scale: f64,
        reflected: bool,
        aligned: Vec<Point>,
    }

    #[test]
    fn scipy_gives_the_same() {
        let text = include_str!("../../../tests/reference/procrustes.json");
        let cases: Vec<Case> = serde_json::from_str(text).unwrap();
        assert!(cases.len() >= 4);
        for case in cases {
            let fit = Similarity::fit(&case.now, &case.baseline).unwrap();
            let name = &case.name;
            let off = (fit.disparity - case.disparity).abs();
            assert!(off < 1e-12, "{name}: {off:e}");
            assert!((fit.scale / case.scale - 1.0).abs() < 1e-10, "{name}");
            assert_eq!(fit.reflected, case.reflected, "{name}");
            for (point, expected) in case.now.iter().zip(&case.aligned) {
                let off = distance(fit.apply(*point), *expected);
                assert!(off < 1e-10 * fit.radius, "{name}: {off:e}");
            }
        }
    }
}

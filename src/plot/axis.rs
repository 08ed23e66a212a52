//! Ticks at round numbers, and their labels.

/// Round numbers inside `min..=max`, about `n` of them.
///
/// The step is 1, 2, 2.5 or 5 times a power of ten: the one that gives the number of ticks nearest
/// to `n`.
pub(super) fn ticks(min: f64, max: f64, n: usize) -> Vec<f64> {
    let span = max - min;
    if !(span > 0.0 && span.is_finite()) {
        return vec![min];
    }
    let power = 10f64.powf((span / n as f64).log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .map(|m| m * power)
        .into_iter()
        .min_by(|a, b| {
            let off = |step: f64| (span / step - n as f64).abs();
            off(*a).total_cmp(&off(*b))
        })
        .unwrap_or(power);
    let first = (min / step - 1e-9).ceil() as i64;
    let last = (max / step + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// The label of each tick: as many decimals as tell them apart, a true minus sign, thousands
/// separated.
pub(super) fn labels(ticks: &[f64]) -> Vec<String> {
    let decimals = (0..6).find(|&d| {
        let scale = 10f64.powi(d);
        ticks
            .iter()
            .all(|t| ((t * scale).round() - t * scale).abs() < 1e-6 * scale.max(1.0))
    });
    let decimals = decimals.unwrap_or(6) as usize;
    ticks.iter().map(|t| number(*t, decimals)).collect()
}

/// `value` with a true minus sign and separated thousands.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut out = String::new();
    if value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        out.push('\u{2212}');
    }
    out += &grouped(whole);
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// The digits of a whole number with separated thousands.
pub(crate) fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 100.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(-37.0, 41.0, 4), [-20.0, 0.0, 20.0, 40.0]);
        assert_eq!(ticks(3.0, 3.0, 4), [3.0]);
    }

    #[test]
    fn labels_tell_ticks_apart() {
        assert_eq!(labels(&[-2.5, 0.0, 2.5]), ["\u{2212}2.5", "0.0", "2.5"]);
        assert_eq!(labels(&[0.0, 5000.0]), ["0", "5,000"]);
    }
}

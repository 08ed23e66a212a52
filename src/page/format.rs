//! Numbers as people read them.

use crate::plot::grouped;

/// `n` with separated thousands.
pub(crate) fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// `n` and the noun, in the plural where it belongs.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// A share of 1 as a percentage with one decimal; what would round to 0 or 100 without being it
/// gets as many decimals as it takes, at most four.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let mut decimals = 1;
    let round = |d: usize| format!("{percent:.d$}").parse::<f64>().unwrap_or(percent);
    while decimals < 4
        && ((round(decimals) == 0.0 && percent > 0.0)
            || (round(decimals) == 100.0 && percent < 100.0))
    {
        decimals += 1;
    }
    format!("{percent:.decimals$}\u{A0}%")
}

/// A size in decimal units, as storage is sold and listed.
pub(crate) fn bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if n < 1_000 {
        return format!("{n}\u{A0}B");
    }
    let mut value = n as f64 / 1e3;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{value:.1}\u{A0}{}", UNITS[unit])
}

/// A duration.
pub(crate) fn seconds(s: f64) -> String {
    match s {
        s if s < 10.0 => format!("{s:.2}\u{A0}s"),
        s if s < 100.0 => format!("{s:.1}\u{A0}s"),
        s if s < 3_600.0 => format!("{}\u{A0}min {:02}\u{A0}s", s as u64 / 60, s as u64 % 60),
        s => format!(
            "{}\u{A0}h {:02}\u{A0}min",
            s as u64 / 3_600,
            s as u64 % 3_600 / 60
        ),
    }
}

/// A number with four significant digits at least, in powers of ten where it is very small or
/// large.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    if !value.is_finite() {
        return "not a number".into();
    }
    let text = match value.abs() {
        size if !(1e-4..1e9).contains(&size) => format!("{value:.2e}"),
        size if size >= 999.5 => {
            let sign = if value < 0.0 { "-" } else { "" };
            sign.to_owned() + &count(size.round() as u64)
        }
        size => {
            let digits = 3 - size.log10().floor() as i32;
            format!("{value:.*}", digits.max(0) as usize)
        }
    };
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(4_098), "4,098");
        assert_eq!(counted(1, "image", "images"), "1 image");
        assert_eq!(percent(0.77368), "77.4\u{A0}%");
        assert_eq!(percent(0.99996), "99.996\u{A0}%");
        assert_eq!(percent(1.0), "100.0\u{A0}%");
        assert_eq!(bytes(999), "999\u{A0}B");
        assert_eq!(bytes(30_600_000), "30.6\u{A0}MB");
        assert_eq!(seconds(75.4), "75.4\u{A0}s");
        assert_eq!(seconds(754.0), "12\u{A0}min 34\u{A0}s");
        assert_eq!(number(-0.2512), "\u{2212}0.2512");
        assert_eq!(number(-467_032.1), "\u{2212}467,032");
        assert_eq!(number(1.5e-6), "1.50e\u{2212}6");
    }
}

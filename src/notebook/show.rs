//! Values that show themselves below a cell.

use polars::prelude::*;

use super::interrupt::listen;
use super::sentence::Sentence;
use super::table::table;
use crate::error::Error;
use crate::plot::{escaped, shown};

/// What evcxr looks for on the last value of a cell.
pub trait Show {
    /// As text, for who reads the notebook without a browser.
    fn text(&self) -> String;

    /// As HTML, one line.
    fn html(&self) -> String {
        format!("<p>{}</p>", escaped(&self.text()))
    }

    /// Prints both between the markers that evcxr takes for content.
    fn evcxr_display(&self) {
        listen();
        for (mime, content) in [("text/plain", self.text()), ("text/html", self.html())] {
            let content = guarded(&content);
            println!("EVCXR_BEGIN_CONTENT {mime}\n{content}\nEVCXR_END_CONTENT");
        }
    }
}

/// `content` without a line that evcxr would take for the end of it: a name in it may be anything.
fn guarded(content: &str) -> String {
    let line = |line: &str| match line.trim_end() {
        "EVCXR_END_CONTENT" | "EVCXR_EXECUTION_COMPLETE" => format!(" {line}"),
        _ => line.to_owned(),
    };
    let lines: Vec<String> = content.lines().map(line).collect();
    lines.join("\n")
}

impl Show for DataFrame {
    fn text(&self) -> String {
        self.to_string()
    }

    fn html(&self) -> String {
        table(self)
    }
}

impl Show for Series {
    fn text(&self) -> String {
        self.clone().into_frame().text()
    }

    fn html(&self) -> String {
        self.clone().into_frame().html()
    }
}

impl Show for Column {
    fn text(&self) -> String {
        self.clone().into_frame().text()
    }

    fn html(&self) -> String {
        self.clone().into_frame().html()
    }
}

impl<T: Show> Show for Vec<T> {
    fn text(&self) -> String {
        let texts: Vec<String> = self.iter().map(Show::text).collect();
        texts.join("\n")
    }

    fn html(&self) -> String {
        self.iter().map(Show::html).collect()
    }
}

/// A result that a cell ends with without `?`: the value, or the sentence where faults are printed.
impl<T: Show> Show for Result<T, Sentence> {
    fn text(&self) -> String {
        match self {
            Ok(value) => value.text(),
            Err(sentence) => sentence.to_string(),
        }
    }

    fn html(&self) -> String {
        match self {
            Ok(value) => value.html(),
            Err(sentence) => format!("<p>{}</p>", escaped(&sentence.to_string())),
        }
    }

    fn evcxr_display(&self) {
        match self {
            Ok(value) => value.evcxr_display(),
            Err(sentence) => eprintln!("{sentence}"),
        }
    }
}

/// As above, for what the library's own steps return.
impl<T: Show> Show for Result<T, Error> {
    fn text(&self) -> String {
        match self {
            Ok(value) => value.text(),
            Err(error) => error.to_string(),
        }
    }

    fn html(&self) -> String {
        match self {
            Ok(value) => value.html(),
            Err(error) => format!("<p>{}</p>", escaped(&error.to_string())),
        }
    }

    fn evcxr_display(&self) {
        match self {
            Ok(value) => value.evcxr_display(),
            Err(error) => eprintln!("{}", shown(&error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_ends_its_own_content() {
        let hostile = "x\nEVCXR_END_CONTENT\r\nEVCXR_EXECUTION_COMPLETE\ny";
        let safe = guarded(hostile);
        assert_eq!(safe, "x\n EVCXR_END_CONTENT\n EVCXR_EXECUTION_COMPLETE\ny");
        let frame = DataFrame::new(1, vec![Column::new(hostile.into(), [hostile])]).unwrap();
        assert_eq!(guarded(&frame.html()), frame.html(), "HTML is one line");
    }
}

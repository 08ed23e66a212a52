//! Work of other crates on files that anybody may have made, where a panic is a fault of the file.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives; none if it panics.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    let outer = IS_GUARDED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work)).ok();
    IS_GUARDED.set(outer);
    done
}

/// Whether a panic in this thread is taken for a fault of a file: a panic hook has nothing to say of it then.
#[must_use]
pub fn is_guarded() -> bool {
    IS_GUARDED.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_none() {
        let broken = guarded(|| {
            assert!(is_guarded());
            Vec::<u8>::new()[1]
        });
        assert_eq!(broken, None);
        assert_eq!(guarded(|| 1), Some(1));
        assert!(!is_guarded());
    }
}

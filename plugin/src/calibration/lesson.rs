//! When the lesson of a technique ends by itself.

use tocco_recognizer::adaptation::examples::Teaching;

/// Examples of a technique after which its lesson ends by itself: more gain little
/// (`docs/calibration.md`), and the hands are at the guitar and not at the mouse. What is played
/// afterwards is then not taken for an example.
pub const ENOUGH: usize = 5;

/// The lesson that is under way, as the service thread follows it.
#[derive(Debug, Default)]
pub(crate) struct Lesson(Option<Course>);

/// A technique while it is taught.
#[derive(Debug, Clone, Copy)]
struct Course {
    class: usize,
    /// How many examples of it there are when the lesson ends.
    ends_at: usize,
}

impl Lesson {
    /// Looks whether another technique is taught, of which there are so many `examples`, `[n_classes]`,
    /// and ends the lesson of one that has enough, or that the model does not have.
    pub(crate) fn attend(&mut self, teaching: &Teaching, examples: &[usize]) {
        let class = teaching.class();
        if class != self.0.map(|course| course.class) {
            let course = |class: usize| Course {
                class,
                ends_at: examples.get(class).map_or(0, |n| n + ENOUGH),
            };
            self.0 = class.map(course);
        }
        if let Some(Course { class, ends_at }) = self.0
            && examples.get(class).is_none_or(|n| *n >= ends_at)
        {
            teaching.set(None);
            self.0 = None;
        }
    }

    /// Whether one more example of `class` is wanted.
    pub(crate) fn wants(&self, class: usize, examples: &[usize]) -> bool {
        match self.0 {
            Some(course) if course.class == class => {
                examples.get(class).is_some_and(|n| *n < course.ends_at)
            }
            // Played before its lesson ended.
            _ => true,
        }
    }

    /// How many examples there are when it ends.
    pub(crate) fn ends_at(&self) -> Option<usize> {
        self.0.map(|course| course.ends_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_enough_examples_and_begins_anew() {
        let (teaching, mut lesson) = (Teaching::default(), Lesson::default());
        lesson.attend(&teaching, &[0; 8]);
        assert_eq!(lesson.ends_at(), None);
        for before in [0, ENOUGH] {
            let mut examples = [0; 8];
            examples[3] = before;
            teaching.set(Some(3));
            while teaching.class().is_some() {
                lesson.attend(&teaching, &examples);
                if teaching.class().is_some() {
                    assert_eq!(lesson.ends_at(), Some(before + ENOUGH));
                    assert!(lesson.wants(3, &examples));
                    examples[3] += 1;
                    assert_eq!(lesson.wants(3, &examples), examples[3] < before + ENOUGH);
                }
            }
            assert_eq!(examples[3], before + ENOUGH);
            assert!(lesson.wants(3, &examples), "of a lesson before");
        }
        // Another one takes its place; one that the model does not have is none.
        teaching.set(Some(1));
        lesson.attend(&teaching, &[0; 8]);
        teaching.set(Some(2));
        lesson.attend(&teaching, &[0, 4, 0, 0, 0, 0, 0, 0]);
        assert_eq!(lesson.ends_at(), Some(ENOUGH));
        teaching.set(Some(7));
        lesson.attend(&teaching, &[0; 4]);
        assert_eq!((teaching.class(), lesson.ends_at()), (None, None));
    }
}

//! How right a classifier is.

use tocco_corpus::Technique;

use super::bootstrap::interval;

/// How often each technique was taken for each: `[n_classes][n_classes]`, a row for what was
/// played, a column for the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    /// Counts of notes.
    pub counts: Vec<Vec<usize>>,
}

impl Default for Confusion {
    fn default() -> Self {
        let n_classes = Technique::ALL.len();
        Self {
            counts: vec![vec![0; n_classes]; n_classes],
        }
    }
}

impl Confusion {
    /// Counts a note of class `played` that was taken for class `answer`.
    pub fn count(&mut self, played: usize, answer: usize) {
        self.counts[played][answer] += 1;
    }

    /// Counts all notes of another one.
    pub fn add(&mut self, other: &Self) {
        let rows = self.counts.iter_mut().zip(&other.counts);
        for (count, more) in rows.flat_map(|(row, other)| row.iter_mut().zip(other)) {
            *count += more;
        }
    }

    /// Number of notes.
    pub fn notes(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    /// Number of notes with the right answer.
    pub fn right(&self) -> usize {
        (0..self.counts.len()).map(|i| self.counts[i][i]).sum()
    }

    /// Share of the notes with the right answer.
    pub fn accuracy(&self) -> f64 {
        self.right() as f64 / self.notes().max(1) as f64
    }

    /// Notes of class `class`.
    pub fn played(&self, class: usize) -> usize {
        self.counts[class].iter().sum()
    }

    /// Notes that were taken for `class`.
    pub fn answered(&self, class: usize) -> usize {
        self.counts.iter().map(|row| row[class]).sum()
    }

    /// Share of the notes of `class` with the right answer; nothing if there are no such notes.
    pub fn recall(&self, class: usize) -> Option<f64> {
        let played = self.played(class);
        (played > 0).then(|| self.counts[class][class] as f64 / played as f64)
    }

    /// The F1 score of `class`; nothing if it was neither played nor answered.
    pub fn f1(&self, class: usize) -> Option<f64> {
        let both = self.played(class) + self.answered(class);
        (both > 0).then(|| 2.0 * self.counts[class][class] as f64 / both as f64)
    }

    /// The mean F1 score of the classes that were played or answered.
    pub fn macro_f1(&self) -> f64 {
        let scores: Vec<f64> = (0..self.counts.len()).filter_map(|c| self.f1(c)).collect();
        scores.iter().sum::<f64>() / scores.len().max(1) as f64
    }
}

/// Notes with the missed ones counted in: a note that was not detected is a wrong one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// The detected notes.
    pub confusion: Confusion,
    /// How many of each class were not detected.
    pub missed: [usize; Technique::ALL.len()],
}

impl Tally {
    /// The sum of `tallies`.
    pub fn sum<'a>(tallies: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for tally in tallies {
            sum.confusion.add(&tally.confusion);
            for (missed, other) in sum.missed.iter_mut().zip(tally.missed) {
                *missed += other;
            }
        }
        sum
    }

    /// The 95 % interval of `figure` when whole parts are drawn again ([`bootstrap`](super::bootstrap)).
    pub fn interval(parts: &[Self], figure: impl Fn(&Self) -> f64) -> [f64; 2] {
        interval(parts, |drawn| figure(&Self::sum(drawn.iter().copied()))).into()
    }

    /// Number of labelled notes.
    pub fn labelled(&self) -> usize {
        self.confusion.notes() + self.missed.iter().sum::<usize>()
    }

    /// Share of the labelled notes of `class` with the right answer; nothing if there are no such
    /// notes.
    pub fn recall(&self, class: usize) -> Option<f64> {
        let played = self.confusion.played(class) + self.missed[class];
        (played > 0).then(|| self.confusion.counts[class][class] as f64 / played as f64)
    }

    /// Share of the labelled notes with the right answer.
    pub fn accuracy(&self) -> f64 {
        self.confusion.right() as f64 / self.labelled().max(1) as f64
    }

    /// The mean F1 score of the classes that were played or answered.
    pub fn macro_f1(&self) -> f64 {
        let score = |class: usize| {
            let played = self.confusion.played(class) + self.missed[class];
            let both = played + self.confusion.answered(class);
            (both > 0).then(|| 2.0 * self.confusion.counts[class][class] as f64 / both as f64)
        };
        let scores: Vec<f64> = (0..self.missed.len()).filter_map(score).collect();
        scores.iter().sum::<f64>() / scores.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_note_is_a_wrong_one() {
        let mut tally = Tally::default();
        (0..6).for_each(|_| tally.confusion.count(0, 0));
        assert_eq!((tally.accuracy(), tally.macro_f1()), (1.0, 1.0));
        let mut other = Tally::default();
        other.missed[0] = 1;
        other.missed[1] = 1;
        let sum = Tally::sum([&tally, &other]);
        assert_eq!(sum.labelled(), 8);
        assert_eq!(sum.accuracy(), 0.75);
        assert_eq!(sum.recall(0), Some(6.0 / 7.0));
        assert_eq!((sum.recall(1), sum.recall(2)), (Some(0.0), None));
        // Class 0: precision 1, recall 6/7; class 1: nothing found.
        assert!((sum.macro_f1() - 0.5 * 12.0 / 13.0).abs() < 1e-12);
    }

    #[test]
    fn scores_follow_from_the_counts() {
        let mut confusion = Confusion::default();
        for (played, answer, times) in [(0, 0, 6), (0, 1, 2), (1, 1, 1), (1, 2, 1)] {
            (0..times).for_each(|_| confusion.count(played, answer));
        }
        assert_eq!(confusion.notes(), 10);
        assert_eq!(confusion.accuracy(), 0.7);
        assert_eq!(confusion.recall(0), Some(0.75));
        assert_eq!(confusion.recall(2), None);
        // Class 0: precision 1, recall 3/4; class 1: 1/3 and 1/2; class 2 was answered only.
        let expected = (6.0 / 7.0 + 0.4 + 0.0) / 3.0;
        assert!((confusion.macro_f1() - expected).abs() < 1e-12);
        assert_eq!(Confusion::default().macro_f1(), 0.0);
        assert_eq!(Confusion::default().accuracy(), 0.0);
    }
}

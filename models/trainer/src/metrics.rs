//! How right a classifier is.

use tocco_corpus::Technique;

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

#[cfg(test)]
mod tests {
    use super::*;

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

//! What there is for each of the decisions about a note.

/// Something of the first decision and, where a second one amends it, of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Decisions<T> {
    /// Of the decision that comes as soon as the attack was heard.
    pub first: T,
    /// Of the later and surer one, if there is one.
    pub second: Option<T>,
}

impl<T> Decisions<T> {
    /// Both, the first one first. Real-time safe.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.first).chain(&self.second)
    }

    /// Both, to be changed. Real-time safe.
    #[inline]
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        std::iter::once(&mut self.first).chain(&mut self.second)
    }
}

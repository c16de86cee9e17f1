//! Sound to onsets to feature vectors.

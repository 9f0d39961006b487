//! Between processes: hints and mail jobs, at most once or at least once, said aloud.

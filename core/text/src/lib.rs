//! Khmer and English tokenizing and search keys.

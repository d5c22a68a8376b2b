//! The accounting step: post and reverse

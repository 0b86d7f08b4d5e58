//! One habit of the kernel at a time.

//! CPU time of this process, from the kernel's account.

/// Seconds of CPU that all threads of this process have used, in steps of a hundredth; zero where the kernel does not say.
pub(super) fn seconds() -> f64 {
    // Linux: fields 14 and 15 of stat, in ticks; user space always sees 100 a second.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_ascii_whitespace().skip(11).map_while(|field| field.parse::<f64>().ok());
    (fields.next().unwrap_or(0.0) + fields.next().unwrap_or(0.0)) / TICKS
}

#[cfg(test)]
mod tests {
    #[test]
    fn grows_with_work() {
        let before = super::seconds();
        let mut sum = 0u64;
        while super::seconds() - before < 0.02 {
            for n in 0..100_000u64 {
                sum = sum.wrapping_mul(31).wrapping_add(std::hint::black_box(n));
            }
        }
        assert_ne!(sum, 1);
        assert!(super::seconds() > before);
    }
}

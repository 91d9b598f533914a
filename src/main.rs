//! The `sidelight` program.

/// Events and annotations are many small allocations on many threads, freed on others; see ARCHITECTURE.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    sidelight::cli::main()
}

//! The `sidelight` program.

/// Events and annotations are many small allocations on many threads, freed on others; see ARCHITECTURE.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long freed memory stays before it goes back to the system, milliseconds. The client library frees and allocates a batch's buffers thousands
/// of times a second; with the allocator's own 1 s the system cleared most of their pages anew each time, 2 of 21 µs of an event.
const PURGE_DELAY: std::ffi::c_long = 10_000;

/// The option of that name in mimalloc's `mi_option_e`; its Rust binding does not name it.
const MI_OPTION_PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

fn main() -> std::process::ExitCode {
    #[expect(
        unsafe_code,
        reason = "the allocator has no safe way to set an option; nothing else runs yet, as this one demands"
    )]
    // SAFETY: a plain number for an option that exists; no other thread runs. The environment's MIMALLOC_PURGE_DELAY goes before it.
    unsafe {
        libmimalloc_sys::mi_option_set_default(MI_OPTION_PURGE_DELAY, PURGE_DELAY);
    }
    sidelight::cli::main()
}

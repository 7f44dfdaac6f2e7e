//! A target with a fault: whoever fuzzes it must find it, or would find none anywhere else either.
//!
//! The panic is on a thread of its own whose end nobody asks for, as one in the server would be.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let [b'f', b'a', b'u', b'l', b't', rest @ ..] = input {
        let length = rest.len();
        let thread = std::thread::spawn(move || {
            assert_ne!(length, 3, "this fault was planted");
        });
        drop(thread.join());
    }
});

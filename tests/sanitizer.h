// Is this a sanitizer build? Sanitizers look for bad accesses, not wrong bits, so loops over bits may be
// shorter.
#pragma once
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

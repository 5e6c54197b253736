// Whether a sanitizer watches: it is after accesses, not bits, so loops that compare bits may take fewer
// turns.
#pragma once
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/* What the compiler, and libraries built for a hosted system (BearSSL), expect of a C library. Product builds only. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <vmm/vmm.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n) {
    void *d = dst;
    size_t words = n / 8, rest = n % 8;
    __asm__ volatile("rep movsq" : "+D"(d), "+S"(src), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(rest) : : "memory");
    return dst;
}

void *memset(void *dst, int c, size_t n) {
    void *d = dst;
    size_t words = n / 8, rest = n % 8;
    uint64_t fill = (uint8_t)c * UINT64_C(0x0101010101010101);
    __asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(fill) : "memory");
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(rest) : "a"(fill) : "memory");
    return dst;
}

void *memmove(void *dst, const void *src, size_t n) {
    if ((uintptr_t)dst - (uintptr_t)src >= n) return memcpy(dst, src, n);
    uint8_t *d = (uint8_t *)dst + n - 1;
    const uint8_t *s = (const uint8_t *)src + n - 1;
    __asm__ volatile("std\nrep movsb\ncld" : "+D"(d), "+S"(s), "+c"(n) : : "memory", "cc");
    return dst;
}

int memcmp(const void *a, const void *b, size_t n) {
    const uint8_t *x = a, *y = b;
    for (; n; n--, x++, y++)
        if (*x != *y) return *x - *y;
    return 0;
}

size_t strlen(const char *s) {
    size_t n = 0;
    while (s[n]) n++;
    return n;
}

int strcmp(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return (uint8_t)*a - (uint8_t)*b;
}

void *memchr(const void *p, int c, size_t n) {
    const uint8_t *at = p;
    for (; n; n--, at++)
        if (*at == (uint8_t)c) return (void *)(uintptr_t)at;
    return NULL;
}

/* _FORTIFY_SOURCE's variants: the size was checked where it is known, at run time here. */
void *__memcpy_chk(void *restrict dst, const void *restrict src, size_t n, size_t size);
void *__memset_chk(void *dst, int c, size_t n, size_t size);
void *__memmove_chk(void *dst, const void *src, size_t n, size_t size);
_Noreturn void __stack_chk_fail(void);

static void fits(size_t n, size_t size) {
    if (n > size) vmm_panic("a copy of %lu bytes into a buffer of %lu", n, size);
}

void *__memcpy_chk(void *restrict dst, const void *restrict src, size_t n, size_t size) {
    fits(n, size);
    return memcpy(dst, src, n);
}

void *__memset_chk(void *dst, int c, size_t n, size_t size) {
    fits(n, size);
    return memset(dst, c, n);
}

void *__memmove_chk(void *dst, const void *src, size_t n, size_t size) {
    fits(n, size);
    return memmove(dst, src, n);
}

_Noreturn void __stack_chk_fail(void) { vmm_panic("a stack frame was overwritten"); }

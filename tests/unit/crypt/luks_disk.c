/* The layout of LUKS headers, typed a second time, as bytes; and that of headers made here. */
#include "luks_disk.h"
#include "luks_bench.h"

#include <criterion/criterion.h>
#include <string.h>

static uint32_t be32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

Test(luks_disk, version_1) {
    struct bench *b = bench_new(1);
    const uint8_t *p = b->image;
    cr_expect_eq(memcmp(p, "LUKS\xBA\xBE\x00\x01", 8), 0);
    cr_expect_str_eq((const char *)p + 8, "aes");
    cr_expect_str_eq((const char *)p + 40, "xts-plain64");
    cr_expect_str_eq((const char *)p + 72, "sha256");
    cr_expect_eq(be32(p + 104), 0);
    cr_expect_eq(be32(p + 108), 32);
    cr_expect_eq(memcmp(p + 112, b->luks.digest, 20), 0);
    cr_expect_eq(memcmp(p + 132, b->luks.digest_salt, 32), 0);
    cr_expect_eq(be32(p + 164), 1000);
    cr_expect_str_eq((const char *)p + 168, b->luks.uuid);
    for (unsigned i = 0; i < 8; i++) {
        const uint8_t *s = p + 208 + 48 * i;
        cr_expect_eq(be32(s), i ? 0x0000DEAD : 0x00AC71F3);
        cr_expect_eq(be32(s + 4), i ? 0 : 2);
        cr_expect_eq(be32(s + 40), 8 + i * 256);
        cr_expect_eq(be32(s + 44), 4000);
    }
    cr_expect_eq(memcmp(p + 216, b->luks.slot[0].salt, 32), 0);
    for (unsigned i = 592; i < 4096; i++) cr_expect_eq(p[i], 0);
}

Test(luks_disk, version_2) {
    struct bench *b = bench_new(2);
    for (size_t at = 0; at <= 0x4000; at += 0x4000) {
        const uint8_t *p = b->image + at;
        cr_expect_eq(memcmp(p, at ? "SKUL\xBA\xBE\x00\x02" : "LUKS\xBA\xBE\x00\x02", 8), 0);
        cr_expect_eq(memcmp(p + 0x08, "\0\0\0\0\0\0\x40\0", 8), 0);
        cr_expect_eq(memcmp(p + 0x10, "\0\0\0\0\0\0\0\2", 8), 0);
        cr_expect_str_eq((const char *)p + 0x18, "");
        cr_expect_str_eq((const char *)p + 0x48, "sha256");
        cr_expect_str_eq((const char *)p + 0xa8, b->luks.uuid);
        cr_expect_str_eq((const char *)p + 0xd0, "");
        cr_expect_eq(memcmp(p + 0x100, at ? "\0\0\0\0\0\0\x40\0" : "\0\0\0\0\0\0\0\0", 8), 0);
        for (unsigned i = 0x108; i < 4096; i++)
            if (i < 0x1c0 || i >= 0x1e0) cr_expect_eq(p[i], 0, "%x", i);
        cr_expect_eq(p[0x1000], '{');
        cr_expect_eq(p[0x3fff], 0);
    }
    cr_expect_neq(memcmp(b->image + 0x68, b->image + 0x4068, 64), 0, "each copy has its own salt");
    cr_expect_eq(memcmp(b->image + 0x1000, b->image + 0x5000, 0x3000), 0);
}

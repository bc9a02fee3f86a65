/* The power fails at every write of every change, and in the midst of it. */
#include "luks_bench.h"

#include <criterion/criterion.h>
#include <string.h>

static uint8_t before[BENCH_IMAGE_BYTES], disk[BENCH_IMAGE_BYTES];
static const char *stays[3], *comes, *goes; /* passphrases, or NULL */

static bool opens(const struct bench *b, const char *secret) {
    return bench_open(b, disk, secret) == CRYPT_LUKS_OPENED;
}

/* What must hold of the disk, all writes before this one done; whole: this one, too. */
static void check(struct bench *b, unsigned write, bool whole) {
    bool all = whole && write + 1 == b->n_writes;
    for (unsigned i = 0; i < 3 && stays[i]; i++)
        cr_assert(opens(b, stays[i]), "%s, after write %u of %u", stays[i], write + whole, b->n_writes);
    if (comes && all) cr_assert(opens(b, comes));
    if (goes && all) cr_assert_not(opens(b, goes));
    if (goes && comes) cr_assert(opens(b, goes) || opens(b, comes), "after write %u", write + whole);
}

/* Where the power fails in a write of so many sectors: everywhere in a short one. */
static size_t next_sector(size_t i, size_t n) {
    return n <= 40 || i < 3 || i + 4 > n ? i + 1 : i + 49 < n - 3 ? i + 49 : n - 3;
}

static void cut_everywhere(struct bench *b) {
    memcpy(disk, before, sizeof disk);
    for (unsigned w = 0; w < b->n_writes; w++) {
        const struct bench_write *write = &b->write[w];
        size_t n_sectors = write->n_bytes / 512;
        static uint8_t done[BENCH_IMAGE_BYTES];
        memcpy(done, disk, sizeof done);
        for (size_t i = 0; i < n_sectors; i = next_sector(i, n_sectors)) {
            if (i > 0 && memcmp(done + write->offset + (i - 1) * 512, write->data + (i - 1) * 512, 512) == 0) continue;
            memcpy(disk + write->offset, write->data, i * 512); /* the first sectors */
            check(b, w, false);
            memcpy(disk, done, sizeof disk);
            memcpy(disk + write->offset + i * 512, write->data + i * 512, write->n_bytes - i * 512); /* the last ones */
            check(b, w, i == 0);
            memcpy(disk, done, sizeof disk);
        }
        memcpy(disk + write->offset, write->data, write->n_bytes);
    }
    cr_assert_eq(memcmp(disk, b->image, sizeof disk), 0, "what was written is what the image holds");
}

static void expect(const char *a, const char *b, const char *c, const char *coming, const char *going) {
    stays[0] = a;
    stays[1] = b;
    stays[2] = c;
    comes = coming;
    goes = going;
}

static struct bench *bench_with(unsigned version, const char *second, const struct crypt_luks_kdf *kdf) {
    struct bench *b = bench_new(version);
    struct crypt_luks_new n = bench_secret(second);
    unsigned slot;
    if (kdf) n.kdf = *kdf;
    cr_assert_eq(crypt_luks_add(&b->edit, b->key, &n, &slot), 0);
    cr_assert_eq(slot, 1);
    bench_forget(b);
    memcpy(before, b->image, sizeof before);
    return b;
}

static void power_add(unsigned version, int slot) {
    struct bench *b = bench_with(version, "second", NULL);
    struct crypt_luks_new n = bench_secret("third");
    unsigned out;
    n.slot = slot;
    cr_assert_eq(crypt_luks_add(&b->edit, b->key, &n, &out), 0);
    expect("first", "second", NULL, "third", NULL);
    cut_everywhere(b);
}

static void power_remove(unsigned version, unsigned slot, const char *stays_there, const char *removed) {
    struct bench *b = bench_with(version, "second", NULL);
    cr_assert_eq(crypt_luks_remove(&b->edit, slot), 0);
    expect(stays_there, NULL, NULL, NULL, removed);
    cut_everywhere(b);
}

static void power_change(unsigned version) {
    struct bench *b = bench_with(version, "second", NULL);
    const struct crypt_luks_new n = bench_secret("other");
    unsigned slot;
    cr_assert_eq(crypt_luks_change(&b->edit, 1, b->key, &n, &slot), 0);
    cr_assert_eq(slot, version == 1 ? 2 : 1);
    expect("first", NULL, NULL, "other", "second");
    cut_everywhere(b);
}

Test(luks_power, add_version_1) { power_add(1, CRYPT_LUKS_ANY_SLOT); }
Test(luks_power, add_slot_in_two_sectors) { power_add(1, 6); }
Test(luks_power, add_version_2) { power_add(2, CRYPT_LUKS_ANY_SLOT); }
Test(luks_power, remove_version_1) { power_remove(1, 0, "second", "first"); }
Test(luks_power, remove_version_2) { power_remove(2, 1, "first", "second"); }
Test(luks_power, change_version_1) { power_change(1); }
Test(luks_power, change_version_2) { power_change(2); }

Test(luks_power, remove_slot_in_two_sectors) {
    struct bench *b = bench_new(1);
    struct crypt_luks_new n = bench_secret("second");
    unsigned slot;
    n.slot = 6;
    cr_assert_eq(crypt_luks_add(&b->edit, b->key, &n, &slot), 0);
    bench_forget(b);
    memcpy(before, b->image, sizeof before);
    cr_assert_eq(crypt_luks_remove(&b->edit, 6), 0);
    cr_assert_eq(b->n_writes, 3);
    expect("first", NULL, NULL, NULL, "second");
    cut_everywhere(b);
}

Test(luks_power, change_of_the_only_passphrase) {
    for (unsigned version = 1; version <= 2; version++) {
        struct bench *b = bench_new(version);
        const struct crypt_luks_new n = bench_secret("other");
        unsigned slot;
        memcpy(before, b->image, sizeof before);
        cr_assert_eq(crypt_luks_change(&b->edit, 0, b->key, &n, &slot), 0);
        expect(NULL, NULL, NULL, "other", "first");
        cut_everywhere(b);
    }
}

/* After a failure that left one copy only, of either kind, the next change fails at each of its writes, too. */
Test(luks_power, twice) {
    static uint8_t after_first[BENCH_IMAGE_BYTES];
    const char *why;
    for (unsigned lost = 0; lost < 4; lost++) {
        struct bench *b = bench_with(2, "second", &bench_argon2id);
        struct crypt_luks_new n = bench_secret("third");
        unsigned slot;
        cr_assert_eq(crypt_luks_add(&b->edit, b->key, &n, &slot), 0);
        cr_assert_eq(b->n_writes, 3);
        memcpy(after_first, before, sizeof after_first);
        for (unsigned w = 0; w <= lost / 2; w++)
            memcpy(after_first + b->write[w].offset, b->write[w].data, b->write[w].n_bytes);
        const struct bench_write *torn = &b->write[1 + lost / 2];
        if (lost % 2) memcpy(after_first + torn->offset, torn->data, 9 * 512 /* in the text */);
        bench_forget(b);

        memcpy(b->image, after_first, sizeof after_first);
        memcpy(before, after_first, sizeof before);
        cr_assert_eq(crypt_luks_parse(b->image, sizeof b->image, &b->luks, &why), 0);
        cr_expect_eq(b->luks.copy_lost, lost > 0);
        bool third = b->luks.slot[2].state == CRYPT_LUKS_SLOT_USED;
        cr_expect_eq(third, lost > 1);
        n = bench_secret("fourth");
        cr_assert_eq(crypt_luks_add(&b->edit, b->key, &n, &slot), 0);
        cr_expect_not(b->luks.copy_lost);
        expect("first", "second", third ? "third" : NULL, "fourth", NULL);
        cut_everywhere(b);
    }
}

Test(luks_power, repair) {
    struct bench *b = bench_with(2, "second", NULL);
    const char *why;
    b->image[b->luks.copy_offset + 5000] ^= 1;
    memcpy(before, b->image, sizeof before);
    cr_assert_eq(crypt_luks_parse(b->image, sizeof b->image, &b->luks, &why), 0);
    cr_assert(b->luks.copy_lost);
    cr_assert_eq(crypt_luks_repair(&b->edit), 0);
    expect("first", "second", NULL, NULL, NULL);
    cut_everywhere(b);
}

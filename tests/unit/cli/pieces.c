/* Tables of the kernel, what contents look like, lines of progress, options. */
#include "contents.h"
#include "device.h"
#include "options.h"
#include "progress.h"

#include <criterion/criterion.h>
#include <crypt/xts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

static bool in(bool (*is_in)(FILE *, const struct stat *), const char *table, const struct stat *st) {
    FILE *f = fmemopen((void *)(uintptr_t)table, strlen(table), "r");
    bool found = is_in(f, st);
    fclose(f);
    return found;
}

Test(device, mounts) {
    struct stat disk = {.st_mode = S_IFBLK, .st_rdev = makedev(8, 3)}, null;
    cr_assert(
        in(device_in_mounts, "22 1 8:2 / / rw - ext4 /dev/sda2 rw\n36 22 8:3 /a /b rw shared:1 - ext4 /x rw\n", &disk));
    cr_assert_not(
        in(device_in_mounts, "22 1 8:2 / / rw - ext4 /dev/sda2 rw\n22 1 0:8 / /3 rw - tmpfs 8:3 rw\n", &disk));
    cr_assert_not(in(device_in_mounts, "garbage\n\n - \n8:3\n", &disk));
    cr_assert_eq(stat("/proc/version", &null), 0);
    cr_assert(in(device_in_mounts, "22 1 0:42 / /m rw - btrfs /proc/version rw\n", &null));
    cr_assert_not(in(device_in_mounts, "22 1 0:42 / /m rw - btrfs /proc/uptime rw\n", &null));
}

Test(device, swaps) {
    struct stat st;
    cr_assert_eq(stat("/proc/version", &st), 0);
    cr_assert(in(device_in_swaps, "Filename Type Size Used Priority\n/nowhere file 1 0 -2\n/proc/version file 1 0 -2\n",
                 &st));
    cr_assert_not(in(device_in_swaps, "Filename Type Size Used Priority\n/proc/uptime file 1 0 -2\n", &st));
}

Test(contents, names) {
    static uint8_t data[CONTENTS_BYTES];
    cr_assert_null(contents_name(data, sizeof data));
    memcpy(data + 0x10040, "_BHRfS_M", 8);
    cr_assert_str_eq(contents_name(data, sizeof data), "btrfs");
    cr_assert_null(contents_name(data, 0x10047));
    memcpy(data + 3, "NTFS    ", 8);
    cr_assert_str_eq(contents_name(data, 512), "NTFS");
    cr_assert_null(contents_name(data, 0));
}

Test(contents, ciphertext_is_even) {
    static uint8_t data[CONTENTS_SAMPLE];
    struct crypt_xts x;
    cr_assert_not(contents_even(data));
    cr_assert_eq(crypt_xts_init(&x, "0123456789abcdef0123456789abcdeX", 32, &crypt_xts_kernel_portable), 0);
    for (unsigned i = 0; i < 50; i++) {
        crypt_xts_encrypt(&x, i * 128, data, data, CONTENTS_SAMPLE / 512);
        cr_assert(contents_even(data));
    }
    memset(data, 0, 2048);
    cr_assert_not(contents_even(data), "4 sectors of 128 are enough");
    for (unsigned i = 0; i < CONTENTS_SAMPLE; i++)
        data[i] = (uint8_t) "plain text is not even, whoever wrote it"[i % 40];
    cr_assert_not(contents_even(data));
}

Test(progress, lines) {
    struct progress p = {
        .what = "encrypt", .terminal = true, .done_before = 100000000, .done = 200000000, .total = 800000000};
    char line[160];
    progress_line(&p, 2, line, sizeof line);
    cr_assert_str_eq(line, "encrypt [#######.......................]  25.0 %, 50 MB/s, 0:00:12 left");
    p.terminal = false;
    progress_line(&p, 0, line, sizeof line);
    cr_assert_str_eq(line, "encrypt  25.0 %, 0 MB/s");
    p.done = p.total;
    progress_line(&p, 70000, line, sizeof line);
    cr_assert_str_eq(line, "encrypt 100.0 %, 0 MB/s, 0:00:00 left");
}

Test(options, anywhere) {
    struct options o;
    uint32_t n = 5;
    unsigned word = 7;
    static const char *const words[] = {"a", "b", NULL};
    char *argv[] = {"x", "--slot", "31", "one", "--type=b", "--yes", "two", NULL};
    cr_assert_eq(options_parse(&o, 1u << OPTION_SLOT | 1u << OPTION_TYPE | 1u << OPTION_YES, 7, argv), 2);
    cr_assert_str_eq(argv[1], "one");
    cr_assert_str_eq(argv[2], "two");
    cr_assert(options_number(&o, OPTION_SLOT, 0, 31, &n) && n == 31);
    cr_assert(options_number(&o, OPTION_ITER_TIME, 1, 9, &n) && n == 31, "absent");
    cr_assert(options_word(&o, OPTION_TYPE, words, &word) && word == 1);
    cr_assert(o.value[OPTION_YES] && !o.value[OPTION_HELP]);
}

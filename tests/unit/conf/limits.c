/* Every limit, exactly at the boundary: the largest that is right, and one more. */
#include "conf_test.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static char text[8192];
static struct conf conf;
static struct conf_error error;

static void add(const char *fmt, ...) {
    size_t n = strlen(text);
    va_list args;
    va_start(args, fmt);
    int added = vsnprintf(text + n, sizeof text - n, fmt, args);
    va_end(args);
    cr_assert(added >= 0 && (size_t)added < sizeof text - n);
}

static void add_times(char c, size_t n) {
    for (size_t i = 0; i < n; i++) add("%c", c);
}

/* Parse what was added, in a buffer of exactly its size so that the sanitizer guards its end; then start afresh. */
static int parse(void) {
    size_t n = strlen(text);
    char *exact = malloc(n ? n : 1);
    memcpy(exact, text, n);
    int err = conf_parse(exact, n, &conf, &error);
    free(exact);
    text[0] = '\0';
    return err;
}

static void expect_error(unsigned line, const char *message) {
    cr_expect_eq(parse(), CONF_E_INVALID);
    cr_expect_eq(error.line, line, "line %u", error.line);
    cr_expect_str_eq(error.message, message, "%s", error.message);
}

Test(conf_limits, line) {
    static const char *const end[] = {"", "\n", "\r\n"};
    for (int i = 0; i < 3; i++) {
        add("\n#");
        add_times('x', 1023);
        add("%s", end[i]);
        cr_expect_eq(parse(), 0);
        add("\n#");
        add_times('x', 1024);
        add("%s", end[i]);
        expect_error(2, "line is longer than 1024 bytes, expected a shorter one");
    }
}

Test(conf_limits, next) {
    add("[boot]\nnext = \\");
    add_times('p', 254);
    cr_expect_eq(parse(), 0);
    cr_expect_eq(strlen(conf.next), 255);
    add("[boot]\nnext = \\");
    add_times('p', 255);
    expect_error(2, "path \"\\ppppppppppppppppppppppppppppppppppppppp...\" is too long, expected at most 255 bytes");
}

Test(conf_limits, next_options_fill_a_line) {
    add("[boot]\nnext=\\a\nnext-options=");
    add_times('o', 1024 - 13);
    cr_expect_eq(parse(), 0);
    cr_expect_eq(strlen(conf.next_options), 1024 - 13);
}

Test(conf_limits, quoted_words) {
    add("[boot]\n");
    add_times('n', 40);
    add(" = 1");
    expect_error(2, "unknown setting \"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\" in [boot], "
                    "expected next, next-options, drive, console or on-error");
    add("[boot]\n");
    add_times('n', 41);
    add(" = 1");
    expect_error(2, "unknown setting \"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn...\" in [boot], "
                    "expected next, next-options, drive, console or on-error");
    /* characters count, not their bytes */
    add("[boot]\n");
    for (int i = 0; i < 40; i++) add("\xE2\x82\xAC");
    add(" = 1");
    expect_error(2, "unknown setting \"????????????????????????????????????????\" in [boot], "
                    "expected next, next-options, drive, console or on-error");
}

/* The longest message of all is complete: two names of full length. */
Test(conf_limits, longest_message) {
    for (int i = 0; i < 2; i++) {
        add("[disk \"");
        add_times("ab"[i], 32);
        add("\"]\nmatch = any\nrange = 0..end deny\n");
    }
    expect_error(4, "disk \"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\" can match nothing that "
                    "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" leaves, expected another match");
}

Test(conf_limits, names) {
    add("[disk \"");
    add_times('d', 32);
    add("\"]\nmatch = any\nrange = 0..end encrypt:");
    add_times('k', 32);
    add("\n[key \"");
    add_times('k', 32);
    add("\"]\nsource = hex:" HEX_32);
    cr_expect_eq(parse(), 0);
    cr_expect_eq(strlen(conf.disk[0].name), 32);
    cr_expect_eq(strlen(conf.key[0].name), 32);

    static const char *const before[] = {"\n[disk \"%s\"]", "\n[key \"%s\"]",
                                         "[disk \"d\"]\nrange = 0..end encrypt:%s"};
    for (int i = 0; i < 3; i++) {
        add(before[i], "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn");
        expect_error(2, "\"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\" is not a name, expected 1 to 32 of A-Z a-z 0-9 . _ -");
    }
}

Test(conf_limits, serial_and_model) {
    add("[disk \"d\"]\nrange = 0..end clear\nmatch = serial:");
    add_times('s', 20);
    cr_expect_eq(parse(), 0);
    cr_expect_eq(strlen(conf.disk[0].text), 20);
    add("[disk \"d\"]\nrange = 0..end clear\nmatch = serial:");
    add_times('s', 21);
    expect_error(3, "\"serial:sssssssssssssssssssss\" is not a value for match, "
                    "expected serial: and 1 to 20 printable ASCII characters");

    add("[disk \"d\"]\nrange = 0..end clear\nmatch = model:");
    add_times('m', 40);
    cr_expect_eq(parse(), 0);
    cr_expect_eq(strlen(conf.disk[0].text), 40);
    add("[disk \"d\"]\nrange = 0..end clear\nmatch = model:");
    add_times('m', 41);
    expect_error(3, "\"model:mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm...\" is not a value for match, "
                    "expected model: and 1 to 40 printable ASCII characters");
}

Test(conf_limits, ports_and_addresses) {
    add("[disk \"d\"]\nrange = 0..end clear\nmatch = port:31");
    cr_expect_eq(parse(), 0);
    cr_expect_eq(conf.disk[0].port, 31);
    add("[disk \"d\"]\nrange = 0..end clear\nmatch = pci:ff:1f.7");
    cr_expect_eq(parse(), 0);
    cr_expect(conf.disk[0].bus == 255 && conf.disk[0].dev == 31 && conf.disk[0].fn == 7);
}

Test(conf_limits, sectors) {
    add("[disk \"d\"]\nmatch = any\nrange = 36028797018963967..36028797018963967 deny");
    cr_expect_eq(parse(), 0);
    cr_expect_eq(conf.disk[0].range[0].first_lba, (1ull << 55) - 1);
    cr_expect_eq(conf.disk[0].range[0].end_lba, 1ull << 55);

    static const char *const above[] = {"36028797018963968", "18446744073709551615", "18446744073709551616",
                                        "99999999999999999999999999999999999999"};
    for (int i = 0; i < 4; i++) {
        char message[160];
        snprintf(message, sizeof message, "sector \"%s\" is too large, expected at most 36028797018963967", above[i]);
        add("[disk \"d\"]\nmatch = any\nrange = 0..%s deny", above[i]);
        expect_error(3, message);
        add("[disk \"d\"]\nmatch = any\nrange = %s..end deny", above[i]);
        expect_error(3, message);
    }
    /* not a number at all, even if its digits alone are too many */
    add("[disk \"d\"]\nmatch = any\nrange = 0..99999999999999999999x deny");
    expect_error(3, "\"99999999999999999999x\" is not a sector number, expected decimal digits");
}

Test(conf_limits, partitions) {
    add("[disk \"d\"]\nmatch = any\nrange = partition:256 deny");
    cr_expect_eq(parse(), 0);
    cr_expect_eq(conf.disk[0].range[0].partition, 256);
    static const char *const above[] = {"257", "4294967297", "18446744073709551617"};
    for (int i = 0; i < 3; i++) {
        char message[160];
        snprintf(message, sizeof message,
                 "\"partition:%s\" is not a partition, expected a number from 1 to 256, a GUID or XXXXXXXX-NN",
                 above[i]);
        add("[disk \"d\"]\nmatch = any\nrange = partition:%s deny", above[i]);
        expect_error(3, message);
    }
}

Test(conf_limits, disks) {
    for (int i = 0; i < 8; i++) add("[disk \"d%d\"]\nmatch = port:%d\nrange = 0..end deny\n", i, i);
    char eight[sizeof text];
    strcpy(eight, text);
    cr_expect_eq(parse(), 0);
    cr_expect_eq(conf.n_disks, 8);
    add("%s[disk \"d8\"]\n", eight);
    expect_error(25, "disk \"d8\" is one too many, expected at most 8");
}

Test(conf_limits, ranges) {
    for (int n = 16; n <= 17; n++) {
        add("[disk \"d\"]\nmatch = any\n");
        for (int i = 0; i < n; i++) add("range = %d..%d deny\n", i, i);
        if (n == 16) {
            cr_expect_eq(parse(), 0);
            cr_expect_eq(conf.disk[0].n_ranges, 16);
        }
    }
    expect_error(19, "range \"16..16\" is one too many, expected at most 16 for a disk");
}

Test(conf_limits, ways_to_unlock) {
    add(DISK_E "[key \"k\"]\nsource = luks:");
    add_times('l', 64);
    add("\nunlock = passphrase,keyfile:a,keyfile:b,keyfile:");
    add_times('c', 64);
    cr_expect_eq(parse(), 0);
    cr_expect(conf.key[0].n_unlocks == 4 && strlen(conf.key[0].file) == 64 && strlen(conf.key[0].unlock[3].file) == 64);
    add("[key \"k\"]\nunlock = passphrase,keyfile:a,keyfile:b,keyfile:c,keyfile:d\n");
    expect_error(2, "way 5 to unlock is one too many, expected at most 4");
    add("[key \"k\"]\nunlock = keyfile:");
    add_times('c', 65);
    expect_error(2, "no name of a file after keyfile:, expected 1 to 64 of A-Z a-z 0-9 . _ -");
}

Test(conf_limits, keys) {
    for (int mentioned_first = 0; mentioned_first < 2; mentioned_first++) {
        char keys[sizeof text] = "", disk[sizeof text] = "[disk \"d\"]\nmatch = any\n";
        for (int i = 0; i < 8; i++) {
            sprintf(keys + strlen(keys), "[key \"k%d\"]\nsource = hex:" HEX_32 "\n", i);
            sprintf(disk + strlen(disk), "range = %d..%d encrypt:k%d\n", i, i, i);
        }
        add("%s%s", mentioned_first ? disk : keys, mentioned_first ? keys : disk);
        cr_expect_eq(parse(), 0);
        cr_expect_eq(conf.n_keys, 8);
        add("%s[key \"k8\"]\n", keys);
        expect_error(17, "key \"k8\" is one too many, expected at most 8");
        add("%srange = 8..8 encrypt:k8\n", disk);
        expect_error(11, "key \"k8\" is one too many, expected at most 8");
    }
}

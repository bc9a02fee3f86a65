/* see contents.h */
#include "contents.h"

#include <string.h>

static const struct {
    size_t offset, n_bytes;
    const char *bytes, *name;
} signatures[] = {
    {0x438, 2, "\x53\xef", "ext2, ext3 or ext4"},
    {0, 4, "XFSB", "XFS"},
    {0x10040, 8, "_BHRfS_M", "btrfs"},
    {0x400, 4, "\x10\x20\xf5\xf2", "f2fs"},
    {3, 8, "NTFS    ", "NTFS"},
    {3, 8, "EXFAT   ", "exFAT"},
    {3, 8, "-FVE-FS-", "BitLocker"},
    {0x36, 3, "FAT", "FAT"},
    {0x52, 5, "FAT32", "FAT"},
    {4086, 10, "SWAPSPACE2", "swap space"},
    {0x218, 8, "LVM2 001", "LVM"},
    {0, 6, "LUKS\xba\xbe", "a LUKS header"},
    {0x200, 8, "EFI PART", "a partition table"},
    {0x8001, 5, "CD001", "a CD's file system"},
};

const char *contents_name(const void *data, size_t n_bytes) {
    for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
        size_t at = signatures[i].offset, n = signatures[i].n_bytes;
        if (at + n <= n_bytes && memcmp((const uint8_t *)data + at, signatures[i].bytes, n) == 0)
            return signatures[i].name;
    }
    return NULL;
}

/* The chi-squared statistic of 256 frequencies, whose mean is 255 and whose deviation is 22.6. */
bool contents_even(const uint8_t *data) {
    const uint32_t expected = CONTENTS_SAMPLE / 256, limit = 450;
    uint32_t n[256] = {0};
    uint64_t sum = 0;
    for (size_t i = 0; i < CONTENTS_SAMPLE; i++) n[data[i]]++;
    for (size_t i = 0; i < 256; i++) {
        int64_t off = (int64_t)n[i] - expected;
        sum += (uint64_t)(off * off);
    }
    return sum / expected < limit;
}

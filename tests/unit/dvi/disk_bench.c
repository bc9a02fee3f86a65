/* see disk_bench.h */
#include "disk_bench.h"

#include <string.h>
#include "fake_host.h"

/* --- a cipher a child could break, but one that shows wrong units, wrong keys and doing it twice --- */

static void toy(const void *ctx, uint64_t unit, const uint8_t *src, uint8_t *dst, size_t n_units, int sign) {
    for (size_t u = 0; u < n_units; u++) {
        uint64_t x = (unit + u + 1) * 0x9e3779b97f4a7c15 + *(const uint64_t *)ctx;
        for (size_t i = 0; i < 512; i++, x += 0xd1b54a32d192ed03) /* odd: no byte stays as it is */
            dst[u * 512 + i] = (uint8_t)(src[u * 512 + i] + sign * (uint8_t)((x >> 29) | 1));
    }
}

static void toy_encrypt(void *ctx, uint64_t unit, const void *src, void *dst, size_t n_units) {
    if (n_units == 0) fake_fail("encrypt: nothing to do");
    toy(ctx, unit, src, dst, n_units, 1);
}

static void toy_decrypt(void *ctx, uint64_t unit, const void *src, void *dst, size_t n_units) {
    if (n_units == 0) fake_fail("decrypt: nothing to do");
    toy(ctx, unit, src, dst, n_units, -1);
}

static uint64_t key_values[2] = {0x1111, 0x7777777};
static const struct dvi_blk_transform keys[2] = {
    {.ctx = &key_values[0], .encrypt = toy_encrypt, .decrypt = toy_decrypt},
    {.ctx = &key_values[1], .encrypt = toy_encrypt, .decrypt = toy_decrypt}};

const struct dvi_policy bench_policy = {.n_ranges = 6,
                                        .range = {{0, 100, DVI_CLEAR, NULL},
                                                  {100, 4000, DVI_ENCRYPT, &keys[0]},
                                                  {4000, 4001, DVI_READ_ONLY, NULL},
                                                  {4001, 4100, DVI_ENCRYPT, &keys[1]},
                                                  {5000, 5003, DVI_DENY, NULL},
                                                  {6001, UINT64_MAX, DVI_ENCRYPT, &keys[0]}}};

static const struct dvi_range *range_of(const struct dvi_policy *policy, uint64_t lba) {
    for (uint32_t k = 0; policy && k < policy->n_ranges; k++)
        if (lba >= policy->range[k].first_lba && lba < policy->range[k].end_lba) return &policy->range[k];
    return NULL;
}

static void code(const struct dvi_policy *policy, uint64_t lba, const uint8_t *in, uint8_t *out, uint32_t n, int sign) {
    for (uint32_t i = 0; i < n; i++) {
        const struct dvi_range *r = range_of(policy, lba + i);
        if (r && r->action == DVI_ENCRYPT)
            toy(r->transform->ctx, lba + i - r->first_lba, in + 512 * i, out + 512 * i, 1, sign);
        else
            memmove(out + 512 * i, in + 512 * i, 512);
    }
}

void bench_encode(const struct dvi_policy *policy, uint64_t lba, const uint8_t *plain, uint8_t *out_raw, uint32_t n) {
    code(policy, lba, plain, out_raw, n, 1);
}

void bench_decode(const struct dvi_policy *policy, uint64_t lba, const uint8_t *raw, uint8_t *out_plain, uint32_t n) {
    code(policy, lba, raw, out_plain, n, -1);
}

bool bench_allowed(const struct dvi_policy *policy, bool write, uint64_t lba, uint64_t n) {
    for (uint64_t l = lba; l < lba + n; l++) {
        const struct dvi_range *r = range_of(policy, l);
        if (r && (r->action == DVI_DENY || (write && r->action == DVI_READ_ONLY))) return false;
    }
    return true;
}

bool bench_check_reader(const struct dvi_disk_id *id, const uint8_t *raw, uint32_t n) {
    const struct dvi_disk_reader *r = id->reader;
    const uint32_t places[BENCH_READS] = {0, 1, n / 2, n - 1};
    uint8_t sector[512];
    if (!r) return false;
    for (unsigned i = 0; i < BENCH_READS; i++)
        if (!r->read(r->ctx, places[i], sector) || memcmp(sector, raw + (size_t)512 * places[i], 512) != 0)
            fake_fail("reader: sector %u", places[i]);
    if (r->read(r->ctx, n, sector) || r->read(r->ctx, UINT64_MAX, sector)) fake_fail("reader: beyond the end");
    return true;
}

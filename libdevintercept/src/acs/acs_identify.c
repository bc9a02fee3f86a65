/* see acs_cmd.h: IDENTIFY DEVICE data */
#include "acs_cmd.h"

#include <string.h>

#include "../bytes.h"

static uint16_t word(const uint8_t *data, unsigned n) { return get16(data + 2 * n); }

/* Characters lie in words, the first in the high byte. Trimmed on both sides; out: [n_chars + 1]. */
static void string(const uint8_t *data, unsigned first_word, unsigned n_chars, char *out) {
    unsigned n = 0;
    for (unsigned i = 0; i < n_chars; i++) {
        uint8_t c = data[(2 * first_word + i) ^ 1u];
        if (c == 0) c = ' ';
        if (n == 0 && c == ' ') continue;
        out[n++] = c < ' ' || c > '~' ? '?' : (char)c;
    }
    while (n > 0 && out[n - 1] == ' ') n--;
    out[n] = 0;
}

void acs_identify_parse(const uint8_t data[ATA_ID_BYTES], struct dvi_disk_id *out) {
    string(data, ATA_ID_MODEL, ATA_ID_MODEL_CHARS, out->model);
    string(data, ATA_ID_SERIAL, ATA_ID_SERIAL_CHARS, out->serial);
    out->n_sectors = get32(data + 2 * ATA_ID_SECTORS28);
    if (word(data, ATA_ID_COMMANDS2) & ATA_ID_LBA48) out->n_sectors = get64(data + 2 * ATA_ID_SECTORS48);
    uint16_t size = word(data, ATA_ID_SECTOR_SIZE);
    out->sector_bytes = DVI_UNIT_BYTES;
    if (FIELD_GET(ATA_ID_SECTOR_VALID, size) == 1 && (size & ATA_ID_SECTOR_LARGE))
        out->sector_bytes = 2 * get32(data + 2 * ATA_ID_LOGICAL_WORDS);
}

/* Word by word, the bits that offer something we refuse. */
static const struct {
    uint8_t word;
    uint16_t bits;
} refused[] = {
    {ATA_ID_TRUSTED, BIT(0)}, /* TRUSTED SEND, TRUSTED RECEIVE */
    {ATA_ID_SATA_CAPS2, ATA_ID_SATA_NCQ_SEND},
    {ATA_ID_COMMANDS1, BIT(10) | BIT(1)},         /* host protected area, SECURITY */
    {ATA_ID_COMMANDS2, BIT(8) | BIT(1) | BIT(0)}, /* SET MAX security extension, READ and WRITE DMA QUEUED, DOWNLOAD
                                                   * MICROCODE */
    {ATA_ID_ENABLED1, BIT(10) | BIT(1)},
    {ATA_ID_ENABLED2, BIT(8) | BIT(1) | BIT(0)},
    {ATA_ID_SECURITY, UINT16_MAX},
    {ATA_ID_SCT, UINT16_MAX},
};

void acs_identify_hide(uint8_t data[ATA_ID_BYTES], bool trim) {
    if (trim) memset(data + 2 * ATA_ID_DSM, 0, 2);
    for (unsigned i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        data[2 * refused[i].word] &= (uint8_t)~refused[i].bits;
        data[2 * refused[i].word + 1] &= (uint8_t)(~refused[i].bits >> 8);
    }
    if (data[2 * ATA_ID_INTEGRITY] != ATA_ID_INTEGRITY_SIGN) return;
    uint8_t sum = 0;
    for (unsigned i = 0; i < ATA_ID_BYTES - 1; i++) sum = (uint8_t)(sum + data[i]);
    data[ATA_ID_BYTES - 1] = (uint8_t)-sum;
}

const struct dvi_policy *acs_policy(struct dvi_disk_id *id, const struct dvi_disk_reader *reader,
                                    dvi_policy_fn *policy_for, void *cookie) {
    id->reader = id->sector_bytes == DVI_UNIT_BYTES ? reader : NULL;
    const struct dvi_policy *policy = policy_for(cookie, id);
    id->reader = NULL;
    return policy;
}

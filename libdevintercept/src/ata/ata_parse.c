/* see ata_channel.h: sector addresses by cylinder, head and sector */
#include "../bytes.h"
#include "ata_channel.h"

bool ata_to_lba(uint8_t fis[FIS_H2D_BYTES], const struct dvi_ata_device *d) {
    uint8_t device = fis[FIS_H2D_DEVICE];
    if (device & ATA_DEVICE_LBA) return true;
    uint32_t sector = fis[FIS_H2D_LBA0], head = device & ATA_DEVICE_HEADS;
    uint32_t cylinder = get16(fis + FIS_H2D_LBA0 + 1);
    if (!d->lba || sector == 0 || sector > d->n_track || head >= d->n_heads) return false;

    uint32_t lba = (cylinder * d->n_heads + head) * d->n_track + sector - 1; /* below 2^28 */
    fis[FIS_H2D_LBA0] = (uint8_t)lba;
    fis[FIS_H2D_LBA0 + 1] = (uint8_t)(lba >> 8);
    fis[FIS_H2D_LBA0 + 2] = (uint8_t)(lba >> 16);
    fis[FIS_H2D_DEVICE] = (uint8_t)((device & ~ATA_DEVICE_LBA28) | ATA_DEVICE_LBA | lba >> 24);
    return true;
}

void ata_learn_translation(struct dvi_ata_device *d, const uint8_t identify[ATA_ID_BYTES]) {
    uint16_t heads = get16(identify + 2 * ATA_ID_HEADS), track = get16(identify + 2 * ATA_ID_TRACK);
    bool ok = heads >= 1 && heads <= 16 && track >= 1 && track <= UINT8_MAX;
    d->default_heads = ok ? (uint8_t)heads : 0;
    d->default_track = ok ? (uint8_t)track : 0;
    d->lba = get16(identify + 2 * ATA_ID_CAPS) & ATA_ID_CAPS_LBA;
    if (get16(identify + 2 * ATA_ID_VALID) & 1) {
        heads = get16(identify + 2 * ATA_ID_NOW_HEADS);
        track = get16(identify + 2 * ATA_ID_NOW_TRACK);
        ok = heads >= 1 && heads <= 16 && track >= 1 && track <= UINT8_MAX;
    }
    d->n_heads = ok ? (uint8_t)heads : 0;
    d->n_track = ok ? (uint8_t)track : 0;
}

void ata_reset_translations(struct dvi_ata_channel *c) {
    for (unsigned i = 0; i < DVI_ATA_N_DEVICES; i++) {
        struct dvi_ata_device *d = &c->device[i];
        if (d->n_heads != d->default_heads || d->n_track != d->default_track) d->n_heads = d->n_track = 0;
    }
}

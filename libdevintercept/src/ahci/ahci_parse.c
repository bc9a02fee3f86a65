/* see ahci_parse.h */
#include "ahci_parse.h"
#include "../bytes.h"

bool ahci_header_parse(const uint8_t raw[AHCI_CMDHDR_FETCH], struct ahci_header *out) {
    uint32_t dw0 = get32(raw + AHCI_CMDHDR_DW0);
    *out = (struct ahci_header){
        .n_prds = (uint32_t)FIELD_GET(AHCI_CMDHDR_PRDTL, dw0),
        .flags = dw0 & (AHCI_CMDHDR_A | AHCI_CMDHDR_W | AHCI_CMDHDR_R | AHCI_CMDHDR_C),
        .table = gpa(get64(raw + AHCI_CMDHDR_CTBA) & ~(uint64_t)(AHCI_CMDTBL_ALIGN - 1)),
    };
    return FIELD_GET(AHCI_CMDHDR_CFL, dw0) == FIS_H2D_DWORDS && !(dw0 & (AHCI_CMDHDR_PMP | AHCI_CMDHDR_B));
}

struct acs_cmd ahci_cmd_parse(const struct ahci_header *header, const uint8_t fis[FIS_H2D_BYTES], unsigned slot,
                              uint32_t *out_flags) {
    *out_flags = 0;
    if (fis[FIS_TYPE] != FIS_TYPE_H2D || (fis[FIS_H2D_FLAGS] & FIS_H2D_PMP)) return (struct acs_cmd){0};
    if (!(fis[FIS_H2D_FLAGS] & FIS_H2D_C)) {
        *out_flags = header->flags & (AHCI_CMDHDR_R | AHCI_CMDHDR_C);
        return (struct acs_cmd){.kind = ACS_CONTROL};
    }

    struct acs_cmd cmd = acs_cmd_parse(fis, slot); /* AHCI 1.3.1, 5.6.3.2: the tag is the slot */
    if ((cmd.kind == ACS_PACKET) != !!(header->flags & AHCI_CMDHDR_A)) cmd.kind = ACS_REFUSE;
    if (acs_kind_has_lba(cmd.kind) && (fis[FIS_H2D_DEVICE] & ATA_DEVICE_DEV)) cmd.kind = ACS_REFUSE;
    if (cmd.kind == ACS_PACKET) *out_flags = header->flags & (AHCI_CMDHDR_A | AHCI_CMDHDR_W);
    if (cmd.kind == ACS_WRITE || cmd.kind == ACS_TRIM) *out_flags = AHCI_CMDHDR_W;
    return cmd;
}

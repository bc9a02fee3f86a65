/* see app.h. Source: UEFI Specification 2.10, 7.3.12 "EFI_BOOT_SERVICES.ConnectController()", 14.4 "EFI PCI I/O
 * Protocol". */
#include "app.h"

#define PCI_BASE_CLASS     0x0bu
#define BASE_CLASS_STORAGE 0x01u

static EFI_GUID pci_io_guid = EFI_PCI_IO_PROTOCOL_GUID;

static void each_controller(EFI_BOOT_SERVICES *bs, bool disconnect) {
    EFI_HANDLE *handles;
    UINTN n;
    if (EFI_ERROR(bs->LocateHandleBuffer(ByProtocol, &pci_io_guid, NULL, &n, &handles))) return;
    for (UINTN i = 0; i < n; i++) {
        EFI_PCI_IO_PROTOCOL *pci;
        UINT8 class = 0;
        if (EFI_ERROR(bs->HandleProtocol(handles[i], &pci_io_guid, (void **)&pci))) continue;
        if (EFI_ERROR(pci->Pci.Read(pci, EfiPciIoWidthUint8, PCI_BASE_CLASS, 1, &class))) continue;
        if (class != BASE_CLASS_STORAGE) continue;
        if (disconnect) (void)bs->DisconnectController(handles[i], NULL, NULL);
        (void)bs->ConnectController(handles[i], NULL, NULL, TRUE);
    }
    bs->FreePool(handles);
}

void storage_connect(EFI_SYSTEM_TABLE *st) { each_controller(st->BootServices, false); }
void storage_reconnect(EFI_SYSTEM_TABLE *st) { each_controller(st->BootServices, true); }

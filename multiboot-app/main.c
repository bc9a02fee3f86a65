/* sekisho.elf: read the configuration, slip beneath the BIOS, start what comes next. */
#include <crypt/wipe.h>
#include <string.h>
#include <vmm/range.h>
#include "app.h"
#include "head.h"
#include "inputs.h"
#include "resident.h"
#include "serial.h"

#define REGION_BYTES  (UINT64_C(16) << 20)
#define LOW_FIRST     0x10000u /* conventional memory below is left to the BIOS and to boot sectors */
#define LOW_BLOCK_TOP 0x80000u
#define FIRST_MIB     UINT64_C(0x100000)
#define BIOS_DATA_END UINT64_C(0x600)     /* vectors, the BIOS's data, and what DOS kept beside them */
#define MAPPED_END    (UINT64_C(1) << 32) /* by head.S */
#define CPUS_UNKNOWN  32u                 /* where no table tells how many there are */

#define TOO_MANY_RANGES "the BIOS's memory map has more ranges than can be kept"

extern uint8_t vmm_image_start[], vmm_image_end[]; /* libvmm's linker script */

static struct mbi mbi;
static struct sekisho_settings settings;
static struct memmap bios_map, guest_map;
static struct vmm_range ram[VMM_MAX_RAM];
static uint64_t tsc_hz, start_tsc;
static bool launched;

static _Noreturn void halt(void) {
    for (;;) __asm__ volatile("hlt");
}

/* Before launch, memory is as the loader and the BIOS left it, and mapped below 4 GiB. */
static bool read_physical(uint64_t at, void *dst, size_t n_bytes) {
    if (at > UINT32_MAX || n_bytes > UINT32_MAX - at) return false;
    memcpy(dst, (const void *)(uintptr_t)at, n_bytes);
    return true;
}

static struct vmm_range own_image(void) {
    return (struct vmm_range){MULTIBOOT_BASE, (uint64_t)(vmm_image_end - vmm_image_start)};
}

static struct bios_wipe wipe_image(void) {
    struct vmm_range r = own_image();
    return (struct bios_wipe){(uint32_t)r.base, (uint32_t)r.n_bytes};
}

static uint32_t conventional_end(void) { return bios_conventional_kib() << 10; }

/* Conventional memory for the block, clear of the modules; 0 if there is none. */
static uint32_t choose_block(void) {
    uint32_t at = conventional_end() & ~(uint32_t)VMM_PAGE_MASK;
    at = at < LOW_BLOCK_TOP + LOW_BLOCK_BYTES ? at - LOW_BLOCK_BYTES : LOW_BLOCK_TOP;
    for (uint32_t i = 0; i < mbi.n_modules && at >= LOW_FIRST; i++) {
        const struct mbi_module *m = &mbi.module[i];
        if (m->base >= at + LOW_BLOCK_BYTES || at >= m->base + m->n_bytes) continue;
        at -= (uint32_t)VMM_PAGE_BYTES;
        i = UINT32_MAX; /* all of them again */
    }
    return at >= LOW_FIRST && at <= LOW_BLOCK_TOP ? at : 0;
}

static void wipe_module(const struct mbi_module *m) { crypt_wipe((void *)(uintptr_t)m->base, m->n_bytes); }

/* What the configuration says; a sentence on the console and false if it says nothing valid. */
static bool read_conf(enum conf_on_error *out_on_error) {
    static char message[SEKISHO_MESSAGE_MAX];
    const struct mbi_module *m = mbi_find(&mbi, SEKISHO_CONF_NAME, NULL);
    if (!m || m->n_bytes > SEKISHO_CONF_MAX_BYTES) {
        con_line(SEKISHO_CONF_NAME, m ? " is longer than 64 KiB" : " was not loaded as a module", NULL);
        return false;
    }
    const char *text = (const char *)(uintptr_t)m->base;
    bool good = inputs_conf(&settings.conf, mbi.options, text, m->n_bytes, out_on_error, message);
    if (!good) con_line(message, NULL, NULL);
    return good;
}

static bool read_key(struct conf_key *key) {
    const struct mbi_module *m = mbi_find(&mbi, key->file, NULL);
    const char *why = "was not loaded as a module";
    bool good = m && inputs_key(key, mbi.options, (const void *)(uintptr_t)m->base, m->n_bytes, &why);
    if (!good) con_line(key->file, " ", why);
    return good;
}

static bool is_file(const struct mbi_module *m, const char *name) { return name[0] && mbi_named(m, name, NULL); }

static bool is_key(const struct mbi_module *m) {
    for (unsigned i = 0; i < settings.conf.n_keys; i++) {
        const struct conf_key *key = &settings.conf.key[i];
        if (is_file(m, key->file)) return true;
        for (unsigned k = 0; k < key->n_unlocks; k++)
            if (is_file(m, key->unlock[k].file)) return true;
    }
    return false;
}

static bool is_system(const struct mbi_module *m) {
    return mbi_named(m, "kernel", NULL) || mbi_named(m, "initrd", NULL);
}

/* A name that nobody asks for is a slip, or was cut off: iPXE has room for 511 characters of all lines together. */
static bool modules_known(void) {
    for (uint32_t i = 0; i < mbi.n_modules; i++) {
        const struct mbi_module *m = &mbi.module[i];
        if (is_key(m) || is_system(m) || mbi_named(m, SEKISHO_CONF_NAME, NULL)) continue;
        con_line(m->line[0] ? "of no use is the module " : "a module has no name", m->line, NULL);
        return false;
    }
    return true;
}

/* Once nobody reads them any more: two keys may share a file. */
static void wipe_modules(void) {
    for (uint32_t i = 0; i < mbi.n_modules; i++)
        if (!is_system(&mbi.module[i])) wipe_module(&mbi.module[i]);
}

static struct acpi_processors read_acpi(void) {
    uint64_t rsdp;
    if (!acpi_find_rsdp(read_physical, &rsdp)) return (struct acpi_processors){0, 0};
    inputs_acpi(&settings, rsdp, read_physical);
    return acpi_count_processors(rsdp, read_physical);
}

/* By channel 2 of the interval timer, which counts down from PIT_COUNT once. Source: 8254 data sheet, "Mode 0:
 * Interrupt on Terminal Count"; port 61h as the PC has it: gate, speaker, output. */
#define PIT_HZ    1193182u
#define PIT_COUNT 11932u /* 10 ms */
static uint64_t measure_tsc(void) {
    uint32_t control = vmm_port_read(0x61, 1) & ~3u;
    vmm_port_write(0x61, 1, control | 1);
    vmm_port_write(0x43, 1, 0xb0); /* channel 2, low and high byte, mode 0 */
    vmm_port_write(0x42, 1, PIT_COUNT & 0xff);
    vmm_port_write(0x42, 1, PIT_COUNT >> 8);
    uint64_t begin = __builtin_ia32_rdtsc(), t = begin;
    while (!(vmm_port_read(0x61, 1) & 0x20) && t - begin < UINT64_C(1) << 32) t = __builtin_ia32_rdtsc();
    vmm_port_write(0x61, 1, control);
    return (t - begin) * PIT_HZ / PIT_COUNT;
}

/* What must stay as it is: the modules, and the image. */
static uint32_t taken(struct vmm_range out[MBI_MAX_MODULES + 2]) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < mbi.n_modules; i++)
        out[n++] = (struct vmm_range){mbi.module[i].base, mbi.module[i].n_bytes};
    out[n++] = own_image();
    out[n++] = (struct vmm_range){bios_buffer_address() - LOW_BUFFER, LOW_BLOCK_BYTES};
    return n;
}

static bool read_keys(void) {
    struct vmm_range avoid[MBI_MAX_MODULES + 2];
    const struct keys_memory memory = {&bios_map, avoid, taken(avoid)};
    bool good = modules_known();
    for (unsigned i = 0; i < settings.conf.n_keys && good; i++)
        if (settings.conf.key[i].kind == CONF_KEY_FILE) good = read_key(&settings.conf.key[i]);
    if (good && inputs_key_in_text(&settings.conf)) con_line(SEKISHO_KEY_IN_TEXT, NULL, NULL);
    return good && keys_unlock(&settings.conf, &mbi, &memory, tsc_hz);
}

/* Where the hypervisor, the page to start processors through and the resident part will be; the guest's map without
 * them. */
static const char *place(struct vmm_launch *l, uint64_t *out_resident) {
    struct vmm_range avoid[MBI_MAX_MODULES + 2];
    uint32_t n = taken(avoid);
    if (!memmap_place(&bios_map, REGION_BYTES, VMM_REGION_ALIGN, VMM_REGION_ALIGN, MAPPED_END, avoid, n, &l->region.v))
        return "there is no contiguous memory below 4 GiB for the hypervisor";
    if (!memmap_place(&bios_map, RESIDENT_BYTES + VMM_PAGE_BYTES, VMM_PAGE_BYTES, LOW_FIRST, conventional_end(), avoid,
                      n, out_resident))
        return "there is no free conventional memory for starting processors";
    l->region_bytes = REGION_BYTES;
    l->low_page = hpa(*out_resident + RESIDENT_BYTES);
    guest_map = bios_map;
    if (memmap_reserve(&guest_map, l->region.v, REGION_BYTES) ||
        memmap_reserve(&guest_map, *out_resident, RESIDENT_BYTES + VMM_PAGE_BYTES))
        return TOO_MANY_RANGES;
    return NULL;
}

/* What the boot loader has left in free memory, copies of the configuration and of key files among it. */
static int wipe_free(void) {
    static struct vmm_range list[VMM_MAX_RAM];
    struct vmm_range avoid[MBI_MAX_MODULES + 2];
    uint32_t n_avoid = taken(avoid);
    int n = 0;
    for (uint32_t i = 0; i < bios_map.n && n >= 0; i++) {
        const struct memmap_entry *e = &bios_map.entry[i];
        uint64_t base = e->base > BIOS_DATA_END ? e->base : BIOS_DATA_END, end = e->base + e->n_bytes;
        if (base < FIRST_MIB && end > conventional_end()) end = conventional_end();
        if (e->type != MEMMAP_USABLE || base >= end || end > MAPPED_END) continue;
        n = vmm_range_add(list, (uint32_t)n, VMM_MAX_RAM, (struct vmm_range){base, end - base});
    }
    for (uint32_t i = 0; i < n_avoid && n >= 0; i++)
        if (avoid[i].n_bytes) n = vmm_range_remove(list, (uint32_t)n, VMM_MAX_RAM, avoid[i]);
    for (int i = 0; i < n; i++) memset((void *)(uintptr_t)list[i].base, 0, list[i].n_bytes);
    return n;
}

static bool launch(uint64_t *out_resident) {
    struct vmm_launch l = {.n_ram = 0};
    struct acpi_processors cpus = read_acpi();
    struct vmm_range holes[] = {{settings.ecam, ((uint64_t)settings.ecam_last_bus + 1) << 20}};
    const char *why = place(&l, out_resident);
    if (!why && wipe_free() < 0) why = TOO_MANY_RANGES;
    int n_ram = why ? 0 : memmap_ram(&bios_map, holes, settings.ecam ? 1 : 0, ram, VMM_MAX_RAM);
    if (n_ram < 0) why = TOO_MANY_RANGES;
    if (!why) {
        l.ram = ram;
        l.n_ram = (uint32_t)n_ram;
        l.max_cpus = cpus.n_usable == 0 ? CPUS_UNKNOWN : cpus.n_usable < VMM_MAX_CPUS ? cpus.n_usable : VMM_MAX_CPUS;
        l.n_possible = cpus.n_possible;
        l.stop_others = true;
        l.tsc_hz = tsc_hz;
        l.start_tsc = start_tsc;
        l.serial_port = settings.conf.console & CONF_CONSOLE_SERIAL ? SERIAL_PORT : 0;
        l.setup = sekisho_setup;
        l.arg = &settings;
        l.arg_bytes = sizeof settings;
        launched = !vmm_launch(&l, &why);
    }
    if (launched) return true;
    con_line("not started: ", why, NULL);
    if (l.region.v) memset((void *)(uintptr_t)l.region.v, 0, REGION_BYTES); /* it may hold copies of keys */
    return false;
}

/* Comes back only with a sentence. */
static void start_next(const struct memmap *map) {
    const char *why;
    if (mbi_find(&mbi, "kernel", NULL))
        direct_start(&mbi, map, wipe_image(), &why);
    else
        disk_start(settings.conf.drive, wipe_image(), &why);
    con_line(why, NULL, NULL);
}

static _Noreturn void failed(enum conf_on_error on_error) {
    if (on_error == CONF_BOOT_UNPROTECTED && !launched) {
        con_line("going on WITHOUT protection, as on-error = boot-unprotected asks", NULL, NULL);
        (void)wipe_free();
        start_next(&bios_map);
    }
    con_line("stopped; nothing was changed. Press a key to start the machine anew", NULL, NULL);
    while (con_key() < 0) __builtin_ia32_pause();
    bios_reset();
}

static _Noreturn void run(const char *why) {
    enum conf_on_error on_error = CONF_STOP;
    uint64_t resident;
    con_line("Sekisho " SEKISHO_VERSION, NULL, NULL);
    if (!why && !bios_memory(&bios_map, &why)) why = NULL; /* it is a sentence in any case */
    tsc_hz = measure_tsc();
    if (why) con_line(why, NULL, NULL);
    bool good = !why && read_conf(&on_error);
    if (good && (settings.conf.console & CONF_CONSOLE_SERIAL)) con_add_serial(SERIAL_PORT);
    good = good && read_keys();
    wipe_modules();
    good = good && launch(&resident);
    for (unsigned i = 0; i < CONF_KEYS_MAX; i++)
        crypt_wipe(settings.conf.key[i].bytes, sizeof settings.conf.key[i].bytes);
    if (!good) failed(on_error);
    con_line("running beneath you", NULL, NULL);
    bios_set_conventional_kib((uint32_t)(resident >> 10));
    resident_install((uint32_t)resident, &guest_map);
    start_next(&guest_map);
    failed(CONF_STOP);
}

/* Where there is no way to a screen. */
static _Noreturn void cannot(const char *why) {
    con_serial_only(SERIAL_PORT);
    con_line(why, NULL, NULL);
    halt();
}

_Noreturn void multiboot_main(uint32_t magic, uint32_t info, void *image);

/* From head.S, before anything is relocated. */
__attribute__((no_stack_protector)) _Noreturn void multiboot_main(uint32_t magic, uint32_t info, void *image) {
    const char *why;
    if (vmm_image_relocate(image)) halt(); /* built wrongly: nothing can be said */
    start_tsc = __builtin_ia32_rdtsc();
    int r = mbi_parse(magic, info, own_image(), read_physical, &mbi, &why);
    if (mbi.has_efi) cannot("this machine has UEFI firmware: start sekisho.efi instead");
    uint32_t block = choose_block();
    if (!block) cannot("there is no free conventional memory");
    bios_init(block);
    run(r ? why : NULL);
}

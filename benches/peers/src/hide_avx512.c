/* Preloaded into a process, hides from it every instruction set beyond AVX2 and FMA: AVX-512, AMX, and the 256-bit
 * dot products (AVX-VNNI and its kin). Libraries that ask the processor what it can do then take their AVX2 paths, so
 * that two of them can be compared as they run on a processor without.
 *
 * Linux lets a thread ask that CPUID fault (arch_prctl, ARCH_SET_CPUID; threads that it starts inherit that). The
 * handler runs the instruction with the fault off, and clears bits. Needs x86-64 and a processor (or host) that can
 * fault; where it cannot, nothing is hidden, and the process ends with a message rather than measure something else.
 *
 *   cc -O2 -shared -fPIC -o hide_avx512.so hide_avx512.c
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define ARCH_SET_CPUID 0x1012

static struct sigaction before;

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(subleaf));
}

static void hide(uint32_t leaf, uint32_t subleaf, uint32_t r[4])
{
    if (leaf == 7 && subleaf == 0) {
        /* AVX512F, DQ, IFMA, PF, ER, CD, BW, VL */
        r[1] &= ~(1u << 16 | 1u << 17 | 1u << 21 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 30 | 1u << 31);
        /* AVX512_VBMI, VBMI2, VNNI, BITALG, VPOPCNTDQ */
        r[2] &= ~(1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14);
        /* AVX512_4VNNIW, 4FMAPS, VP2INTERSECT, AMX-BF16, AVX512-FP16, AMX-TILE, AMX-INT8 */
        r[3] &= ~(1u << 2 | 1u << 3 | 1u << 8 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 25);
    } else if (leaf == 7 && subleaf == 1) {
        /* AVX-VNNI, AVX512-BF16, AMX-FP16, AVX-IFMA */
        r[0] &= ~(1u << 4 | 1u << 5 | 1u << 21 | 1u << 23);
        /* AVX-VNNI-INT8, AVX-NE-CONVERT, AMX-COMPLEX, AVX-VNNI-INT16, AVX10 */
        r[3] &= ~(1u << 4 | 1u << 5 | 1u << 8 | 1u << 10 | 1u << 19);
    } else if (leaf == 0xd && subleaf == 0) {
        /* The state of the mask registers, of the upper halves and of the tiles. */
        r[0] &= ~(7u << 5 | 3u << 17);
    }
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)registers[REG_RIP];
    /* A general protection fault has no address; an access to memory that is not there has one, and its page may hold
     * no code to look at. */
    if (info->si_addr == NULL && info->si_code == SI_KERNEL && code[0] == 0x0f && code[1] == 0xa2) {
        uint32_t leaf = (uint32_t)registers[REG_RAX], subleaf = (uint32_t)registers[REG_RCX], r[4];
        syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
        cpuid(leaf, subleaf, r);
        syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
        hide(leaf, subleaf, r);
        registers[REG_RAX] = r[0];
        registers[REG_RBX] = r[1];
        registers[REG_RCX] = r[2];
        registers[REG_RDX] = r[3];
        registers[REG_RIP] += 2;
        return;
    }
    /* Any other fault goes where it went before: the instruction faults again. */
    sigaction(number, &before, NULL);
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {0};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, &action, &before) != 0 || syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) != 0) {
        fputs("hide_avx512: this processor cannot hide what it can do\n", stderr);
        _exit(3);
    }
}

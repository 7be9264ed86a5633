// Makes a run of componentize-py see the same whenever and wherever it is made, so that the same inputs give the same
// bytes: it takes a snapshot of an interpreter's memory, in which times, inodes and random numbers leave traces.
//
// Preloaded: what is called in the C library is replaced here, and what is called past it is caught by a filter of
// system calls and answered by `on_system_call`. Linux on x86-64 and AArch64.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <time.h>
#include <ucontext.h>

// 2026-01-01T00:00:00Z.
#define NOW 1767225600

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
__asm__(".text\n.globl direct_call\n.hidden direct_call\n.globl direct_call_end\n.hidden direct_call_end\n"
        "direct_call:\n mov %rdi,%rax\n mov %rsi,%rdi\n mov %rdx,%rsi\n mov %rcx,%rdx\n mov %r8,%r10\n mov %r9,%r8\n"
        " syscall\ndirect_call_end:\n ret\n");
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
__asm__(".text\n.globl direct_call\n.hidden direct_call\n.globl direct_call_end\n.hidden direct_call_end\n"
        "direct_call:\n mov x8,x0\n mov x0,x1\n mov x1,x2\n mov x2,x3\n mov x3,x4\n mov x4,x5\n"
        " svc #0\ndirect_call_end:\n ret\n");
#else
#error "only x86-64 and AArch64"
#endif

// A system call that the filter lets through; a negative result is an error.
extern long direct_call(long number, long a, long b, long c, long d, long e);
extern char direct_call_end[];

// Numbers files in the order in which they are met: they must stay distinct, for the dynamic linker among others.
static uint64_t same_inode(uint64_t device, uint64_t inode) {
  static struct { uint64_t device, inode, number; } known[1 << 14];
  static uint64_t met;
  static char lock;
  uint64_t place = (inode * 0x9E3779B97F4A7C15u) >> 50, number = 0;
  while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE)) {}
  for (unsigned tries = 0; tries < 1 << 14 && !number; tries++, place = (place + 1) % (1 << 14)) {
    if (!known[place].number) {
      known[place].device = device;
      known[place].inode = inode;
      known[place].number = ++met;
    }
    if (known[place].device == device && known[place].inode == inode) number = known[place].number;
  }
  __atomic_clear(&lock, __ATOMIC_RELEASE);
  return number ? number : inode;
}

static void same_stat(struct stat *stat) {
  struct timespec now = {NOW, 0};
  stat->st_atim = stat->st_mtim = stat->st_ctim = now;
  stat->st_ino = same_inode(stat->st_dev, stat->st_ino);
  stat->st_dev = 1;
}

static void same_statx(struct statx *stat) {
  struct statx_timestamp now = {.tv_sec = NOW};
  stat->stx_atime = stat->stx_btime = stat->stx_ctime = stat->stx_mtime = now;
  stat->stx_ino = same_inode(makedev(stat->stx_dev_major, stat->stx_dev_minor), stat->stx_ino);
  stat->stx_dev_major = 0;
  stat->stx_dev_minor = 1;
}

ssize_t getrandom(void *buffer, size_t length, unsigned flags) {
  (void)flags;
  memset(buffer, 42, length);
  return (ssize_t)length;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  if (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC) {
    *time = (struct timespec){NOW, 0};
    return 0;
  }
  return (int)direct_call(SYS_clock_gettime, clock, (long)time, 0, 0, 0);
}

int statx(int directory, const char *restrict path, int flags, unsigned mask, struct statx *restrict stat) {
  long result = direct_call(SYS_statx, directory, (long)path, flags, mask, (long)stat);
  if (result < 0) {
    errno = (int)-result;
    return -1;
  }
  same_statx(stat);
  return 0;
}

static void on_system_call(int signal, siginfo_t *info, void *context) {
  (void)signal;
  mcontext_t *state = &((ucontext_t *)context)->uc_mcontext;
#if defined(__x86_64__)
  long long *registers = state->gregs;
  long a = registers[REG_RDI], b = registers[REG_RSI], c = registers[REG_RDX], d = registers[REG_R10], e = registers[REG_R8];
#else
  unsigned long long *registers = state->regs;
  long a = registers[0], b = registers[1], c = registers[2], d = registers[3], e = registers[4];
#endif
  long result;
  if (info->si_syscall == SYS_getrandom) {
    result = getrandom((void *)a, (size_t)b, 0);
  } else {
    result = direct_call(info->si_syscall, a, b, c, d, e);
    if (result >= 0) {
      if (info->si_syscall == SYS_statx) same_statx((struct statx *)e);
      if (info->si_syscall == SYS_fstat) same_stat((struct stat *)b);
      if (info->si_syscall == SYS_newfstatat) same_stat((struct stat *)c);
    }
  }
#if defined(__x86_64__)
  registers[REG_RAX] = result;
#else
  registers[0] = (unsigned long long)result;
#endif
}

__attribute__((constructor)) static void install(void) {
  struct sigaction action = {.sa_sigaction = on_system_call, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSYS, &action, NULL);
  uintptr_t end = (uintptr_t)direct_call_end;
#define FIELD(name) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, name))
#define EQUALS(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (then), (otherwise))
  struct sock_filter filter[] = {
      FIELD(arch),
      EQUALS(ARCHITECTURE, 0, 10),
      FIELD(nr),
      EQUALS(SYS_statx, 3, 0),
      EQUALS(SYS_fstat, 2, 0),
      EQUALS(SYS_newfstatat, 1, 0),
      EQUALS(SYS_getrandom, 0, 5),
      FIELD(instruction_pointer),
      EQUALS((uint32_t)end, 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
      EQUALS((uint32_t)((uint64_t)end >> 32), 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* Stands in for the system library of this name, which Wine 8 lacks and Windows has since 7. Rust's
 * standard library takes random numbers from it and from nowhere else. For tests under Wine only:
 * nothing of it is in a bundle. */
#include <stddef.h>
#include <windows.h>

/* RtlGenRandom by its name in advapi32; it takes no more than a ULONG of bytes. */
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG bytes);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T bytes) {
  while (bytes > 0) {
    ULONG piece = bytes > 0x40000000 ? 0x40000000 : (ULONG)bytes;
    if (!SystemFunction036(buffer, piece)) return FALSE;
    buffer += piece;
    bytes -= piece;
  }
  return TRUE;
}

/* Fixed-width integers and the address types that every room shares. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef s64 ssize_t;
typedef s64 loff_t;

typedef u64 paddr_t; /* a physical address, in bytes */
typedef u64 vaddr_t; /* a virtual address, user or kernel, in bytes */
typedef u64 pfn_t;   /* a physical address in frames of 4 KiB */

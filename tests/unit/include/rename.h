/*
 * The kernel's string and format functions under names of their own, so that their tests can hold
 * them against the C library's. Included before everything else, where build.mk says so.
 */
#pragma once

#define memcpy	  calf_memcpy
#define memmove	  calf_memmove
#define memset	  calf_memset
#define memcmp	  calf_memcmp
#define memchr	  calf_memchr
#define strlen	  calf_strlen
#define strnlen	  calf_strnlen
#define strcmp	  calf_strcmp
#define strncmp	  calf_strncmp
#define strchr	  calf_strchr
#define strrchr	  calf_strrchr
#define strchrnul calf_strchrnul
#define strstr	  calf_strstr
#define strspn	  calf_strspn
#define strcspn	  calf_strcspn
#define vsnprintf calf_vsnprintf
#define snprintf  calf_snprintf

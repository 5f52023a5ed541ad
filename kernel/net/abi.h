/* Constants and structures of the socket calls, as Linux lays them out on x86-64. */
#pragma once

#include "kernel/lib/types.h"

#define AF_UNSPEC 0
#define AF_UNIX	  1
#define AF_INET	  2
#define AF_INET6  10
#define AF_MAX	  46

#define SOCK_STREAM    1
#define SOCK_DGRAM     2
#define SOCK_RAW       3
#define SOCK_SEQPACKET 5
#define SOCK_PACKET    10
#define SOCK_TYPE_MASK 0xfu
#define SOCK_CLOEXEC   02000000u
#define SOCK_NONBLOCK  04000u

#define IPPROTO_IP   0
#define IPPROTO_TCP  6
#define IPPROTO_UDP  17
#define IPPROTO_IPV6 41

/* Flags of send and recv. */
#define MSG_OOB		 0x1u
#define MSG_PEEK	 0x2u
#define MSG_CTRUNC	 0x8u
#define MSG_TRUNC	 0x20u
#define MSG_DONTWAIT	 0x40u
#define MSG_CMSG_COMPAT	 0x80000000u
#define MSG_WAITALL	 0x100u
#define MSG_ERRQUEUE	 0x2000u
#define MSG_NOSIGNAL	 0x4000u
#define MSG_WAITFORONE	 0x10000u
#define MSG_CMSG_CLOEXEC 0x40000000u

#define SHUT_RD	  0
#define SHUT_WR	  1
#define SHUT_RDWR 2

#define SOMAXCONN 4096

/* setsockopt(2): level SOL_SOCKET. */
#define SOL_SOCKET     1
#define SO_DEBUG       1
#define SO_REUSEADDR   2
#define SO_TYPE	       3
#define SO_ERROR       4
#define SO_DONTROUTE   5
#define SO_BROADCAST   6
#define SO_SNDBUF      7
#define SO_RCVBUF      8
#define SO_KEEPALIVE   9
#define SO_OOBINLINE   10
#define SO_PRIORITY    12
#define SO_LINGER      13
#define SO_REUSEPORT   15
#define SO_PASSCRED    16
#define SO_PEERCRED    17
#define SO_RCVLOWAT    18
#define SO_SNDLOWAT    19
#define SO_RCVTIMEO    20
#define SO_SNDTIMEO    21
#define SO_PEERNAME    28
#define SO_ACCEPTCONN  30
#define SO_SNDBUFFORCE 32
#define SO_RCVBUFFORCE 33
#define SO_PROTOCOL    38
#define SO_DOMAIN      39

#define SCM_RIGHTS	1
#define SCM_CREDENTIALS 2
#define SCM_MAX_FD	253

#define FIONREAD   0x541b
#define SIOCOUTQ   0x5411
#define SIOCATMARK 0x8905

struct sockaddr_un {
	u16 family;
	char path[108];
};

struct sockaddr_in {
	u16 family;
	u16 port; /* big-endian */
	u8 addr[4];
	u8 zero[8];
};

struct sockaddr_in6 {
	u16 family;
	u16 port; /* big-endian */
	u32 flowinfo;
	u8 addr[16];
	u32 scope_id;
};

struct user_msghdr {
	u64 name; /* a user address */
	s32 name_len;
	u32 pad0;
	u64 iov; /* a user address */
	u64 iov_len;
	u64 control; /* a user address */
	u64 control_len;
	u32 flags;
	u32 pad1;
};
_Static_assert(sizeof(struct user_msghdr) == 56, "struct msghdr is 56 bytes");

struct user_mmsghdr {
	struct user_msghdr hdr;
	u32 len;
	u32 pad;
};

struct cmsghdr {
	u64 len; /* of this and the data */
	s32 level, type;
};
#define CMSG_ALIGN(n) (((n) + 7) & ~7ull)

struct ucred {
	s32 pid;
	u32 uid, gid;
};

struct linger {
	s32 on, seconds;
};

/*
 * core/address.h: addresses in the one spelling in which they are compared
 * and suppressed.
 *
 *   e-mail     jane.doe@acme.com           lower case; a display name, "mailto:" and the domain's last dot go
 *   domain     acme.com                    lower case; a leading @ and the last dot go; IDN as it is written
 *   phone      +33612345678                "+" and digits; 00 is "+"; letters make it none
 *   LinkedIn   linkedin.com/in/jane-doe    without scheme, subdomain, query; lower case, %-escapes opened
 *
 * Plus addresses and dots are not folded: they may be other people.
 */
#pragma once

#include "core/base.h"

typedef enum KamAddressKind
{
	KAM_ADDRESS_NONE, KAM_ADDRESS_EMAIL, KAM_ADDRESS_DOMAIN, KAM_ADDRESS_PHONE, KAM_ADDRESS_LINKEDIN
} KamAddressKind;

/* Longest normalised address in bytes; what is longer is none (it must fit an index). */
#define KAM_ADDRESS_MAX 320

/*
 * Normalises into out, NUL-terminated ("" for none), and tells the kind.  Its
 * own output comes out unchanged.  Never fails: what is no address is none.
 */
extern KamAddressKind kam_address(const char *text, size_t len, char out[KAM_ADDRESS_MAX + 1]);

/* "email", "domain", "phone", "linkedin"; NULL for none. */
extern const char *kam_address_kind_name(KamAddressKind kind);

/* The domain of a normalised e-mail address, a part of it; NULL for another kind. */
extern const char *kam_address_domain(KamAddressKind kind, const char *address);

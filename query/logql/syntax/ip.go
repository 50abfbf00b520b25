package syntax

import (
	"fmt"
	"net/netip"
	"strings"
)

// IPRange is what ip("...") names: one address, first-last, or a prefix.
type IPRange struct{ first, last netip.Addr }

// ParseIPRange reads 192.168.0.1, 192.168.0.1-192.168.0.9 or 192.168.0.0/16,
// and the same in IPv6.
func ParseIPRange(s string) (IPRange, error) {
	wrong := fmt.Errorf("ip(%q): expected an address, a range such as 10.0.0.1-10.0.0.9, or a prefix such as 10.0.0.0/8", s)
	if a, b, ok := strings.Cut(s, "-"); ok {
		first, err1 := netip.ParseAddr(a)
		last, err2 := netip.ParseAddr(b)
		if err1 != nil || err2 != nil || first.BitLen() != last.BitLen() || last.Less(first) {
			return IPRange{}, wrong
		}
		return IPRange{first, last}, nil
	}
	if strings.Contains(s, "/") {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			return IPRange{}, wrong
		}
		prefix = prefix.Masked()
		return IPRange{prefix.Addr(), lastOf(prefix)}, nil
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return IPRange{}, wrong
	}
	return IPRange{addr, addr}, nil
}

// Contains reports whether a is in the range.
func (r IPRange) Contains(a netip.Addr) bool {
	a = a.WithZone("")
	return a.BitLen() == r.first.BitLen() && !a.Less(r.first) && !r.last.Less(a)
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

package registry

// mod11 is the check digit over s: each character's value (ASCII code − 48)
// times its weight from the right, 2, 3, … up to highest and again from 2;
// r = sum mod 11; 0 when r is 0 or 1, else 11 − r.
func mod11(s string, highest int) byte {
	sum, weight := 0, 2
	for i := len(s) - 1; i >= 0; i-- {
		sum += int(s[i]-'0') * weight
		if weight++; weight > highest {
			weight = 2
		}
	}
	if r := sum % 11; r > 1 {
		return byte('0' + 11 - r)
	}
	return '0'
}

// mod10 is GS1's check digit over s: weights 3, 1, 3, … from the right, then
// what is missing to the next ten.
func mod10(s string) byte {
	sum, weight := 0, 3
	for i := len(s) - 1; i >= 0; i-- {
		sum += int(s[i]-'0') * weight
		weight = 4 - weight
	}
	return byte('0' + (10-sum%10)%10)
}

// mismatch is the warning when the check digit is not the one expected.
func mismatch(ok bool) []string {
	if ok {
		return nil
	}
	return []string{WarnCheck}
}

package registry

// states holds the 27 Brazilian states, each as its abbreviation and the number
// that IBGE, the statistics institute, has for it. The numbers of
// municipalities and old tags begin with that.
const (
	states = "RO11AC12AM13RR14PA15AP16TO17" +
		"MA21PI22CE23RN24PB25PE26AL27SE28BA29" +
		"MG31ES32RJ33SP35" +
		"PR41SC42RS43" +
		"MS50MT51GO52DF53"
	stateLen = 4
)

// stateOf gives the number of a state, "" when there is no such state.
func stateOf(abbreviation string) string {
	for i := 0; i < len(states); i += stateLen {
		if states[i:i+2] == abbreviation {
			return states[i+2 : i+stateLen]
		}
	}
	return ""
}

// stateNumber reports whether two digits are a state's number.
func stateNumber(n string) bool {
	for i := 0; i < len(states); i += stateLen {
		if states[i+2:i+stateLen] == n {
			return true
		}
	}
	return false
}

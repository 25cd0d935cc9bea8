package lifecycle

import lc "partyline/events/lifecycle"

// Found is what gateways remember of one trace.
type Found struct {
	Rows     []lc.Row // of all attempts, in order of time; addresses are masked
	Asked    int      // gateways that were asked, this one included
	Answered int
	Complete bool // nobody is missing
}

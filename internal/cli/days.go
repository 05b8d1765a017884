package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// days is a duration that a person may write in days as well, as 30d.
type days time.Duration

// daysFlag adds a flag whose value is a duration, with a d for days of 24 hours.
func daysFlag(c *cobra.Command, d *time.Duration, name, usage string) {
	c.Flags().Var((*days)(d), name, usage)
}

// Set, String and Type are those of a flag of cobra.
func (d *days) Set(text string) error {
	if number, ok := strings.CutSuffix(text, "d"); ok {
		const most = 100 * 365 // a longer one would not fit into a Duration for long
		n, err := strconv.ParseUint(number, 10, 64)
		if err == nil && n <= most {
			*d = days(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	long, err := time.ParseDuration(text)
	*d = days(long)
	return err
}

func (d *days) String() string {
	if *d == 0 {
		return "0" // else the help says that this is the default
	}
	if n := *d / days(24*time.Hour); n*days(24*time.Hour) == *d {
		return fmt.Sprintf("%dd", n)
	}
	return time.Duration(*d).String()
}

func (d *days) Type() string { return "duration" }

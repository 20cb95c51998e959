package cli

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/mayfly-broker/mayfly/cmd/config"
	storev1 "github.com/mayfly-broker/mayfly/proto/store/v1"
)

// cacheLimitList are the settings of a cache that bound what it may be asked for.
var cacheLimitList = []cacheSetting{
	{
		flag: "max-operations", help: "operations on items a second, a `number` for the whole cluster",
		set: func(l *storev1.CacheLimits, text string) error { return setNumber(&l.MaxTrafficRate, text) },
	},
	{
		flag: "max-publishes", help: "messages published a second, a `number` for the whole cluster",
		set: func(l *storev1.CacheLimits, text string) error { return setNumber(&l.MaxPublishRate, text) },
	},
	{
		flag: "max-throughput", help: "`size` of requests and answers a second, such as 10MiB, for the whole cluster",
		set: func(l *storev1.CacheLimits, text string) error { return setKiB(&l.MaxThroughputKbps, text) },
	},
	{
		flag: "max-subscriptions", help: "subscriptions at a time, a `number` for the whole cluster",
		set: func(l *storev1.CacheLimits, text string) error { return setNumber(&l.MaxSubscriptionCount, text) },
	},
	{
		flag: "max-keys", help: "items at a time, a `number` for the whole cluster",
		set: func(l *storev1.CacheLimits, text string) (err error) {
			n, err := parseUnless(text, func(text string) (uint64, error) { return parseNumber(text, math.MaxInt64) })
			l.MaxKeys = &n
			return err
		},
	},
	{
		flag: "max-message-size", help: "`size` of the largest topic message, up to that of the node",
		set: func(l *storev1.CacheLimits, text string) error { return setKiB(&l.MaxPublishMessageSizeKb, text) },
	},
	{
		flag: "max-item-size", help: "`size` of the largest value together with its key, up to that of the node",
		set: func(l *storev1.CacheLimits, text string) error { return setKiB(&l.MaxItemSizeKb, text) },
	},
	{
		flag: "max-ttl", help: "longest `life` an item may be given, up to that of the node",
		set: func(l *storev1.CacheLimits, text string) error {
			life, err := parseUnless(text, config.ParseDuration)
			if err == nil && life%time.Second != 0 {
				err = fmt.Errorf("%q is not in whole seconds", text)
			}
			l.MaxTtlSeconds = new(uint64(life / time.Second))
			return err
		},
	},
}

// setNumber sets a field to a number from 1 on, or to zero for no text.
func setNumber(field **uint32, text string) error {
	n, err := parseUnless(text, func(text string) (uint64, error) { return parseNumber(text, math.MaxUint32-1) })
	*field = new(uint32(n))
	return err
}

func parseNumber(text string, most uint64) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 || n > most {
		return 0, fmt.Errorf("%q is not a whole number from 1 to %d", text, most)
	}
	return n, nil
}

// setKiB sets a field in KiB to a size, or to zero for no text.
func setKiB(field **uint32, text string) error {
	size, err := parseUnless(text, config.ParseSize)
	if err == nil && text != "" && (size < 1<<10 || size>>10 >= math.MaxUint32) {
		err = fmt.Errorf("%q is not a size from 1KiB to 4095GiB", text)
	}
	*field = new(uint32(size >> 10))
	return err
}

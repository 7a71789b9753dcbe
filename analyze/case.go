package analyze

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// Case opens the evidence of one case, which is all that the paths hold (files, folders, archives), and lets the detectors judge it; detect.All is the catalogue. Where
// the context ends while evidence is read, what was read by then is judged, and the context's error stands
// beside the result. The evidence stays in memory until it is freed (evidence.Bundle.Free).
func Case(ctx context.Context, paths []string, detectors []*claim.Detector, opt Options) (Result, error) {
	b, err := evidence.Open(ctx, paths, opt.Evidence)
	if b == nil || err != nil && !errors.Is(err, ctx.Err()) {
		return Result{}, err
	}
	if !slices.ContainsFunc(b.Exhibits, func(e *evidence.Exhibit) bool { return e.Coverage != evidence.None }) {
		return Result{}, errors.Join(fmt.Errorf("no usable evidence in %s", b.Title), err)
	}
	res, failed := Judge(b, detectors, opt)
	if failed != nil {
		return Result{}, failed
	}
	return res, err
}

// Judge judges evidence that was opened with the same options, narrowed to their focus.
func Judge(b *evidence.Bundle, detectors []*claim.Detector, opt Options) (Result, error) {
	narrowed, became, err := opt.Evidence.Focus.Narrow(b)
	if err != nil {
		return Result{}, err
	}
	for _, d := range opt.Unasked(detectors) {
		opt.Skip = append(slices.Clone(opt.Skip), d.ID)
	}
	res, err := Run(narrowed, detectors, opt)
	if err != nil {
		return Result{}, err
	}
	res.Focused = became
	return res, nil
}

// Unasked returns the detectors that say nothing under the focus, as their claim rests on every goroutine being there.
func (o *Options) Unasked(detectors []*claim.Detector) (out []*claim.Detector) {
	if o.Evidence.Focus.Label[0] == "" {
		return nil
	}
	for _, d := range detectors {
		if d.Everybody != "" {
			out = append(out, d)
		}
	}
	return out
}

package mutants

// faultTable holds the twelve bugs that the reliability page names. When code
// moves, its mutant moves with it.
var faultTable = []faultMutant{
	{mutant: mutant{
		name: "commit before the store has the rows",
		file: "pipeline/deliver.go",
		old:  "\t\tgroup.Go(func() error {\n\t\t\terr := r.writeStep(ctx, s.out.rows)\n",
		new:  "\t\trows := s.out.rows\n\t\tgo func() { _ = r.writeStep(context.WithoutCancel(ctx), rows) }()\n\t\tgroup.Go(func() error {\n\t\t\tvar err error\n",
	}, pkg: "./pipeline", run: "^(TestAbortsChangeNothing|TestTheStreamGoesOnWithoutTheStore)$"},
	{mutant: mutant{
		name: "a version without the owner",
		file: "sinks/redis/layout.go",
		old:  "\tb = appendHex(b, uint64(v.Owner), 8)\n",
		new:  "\tb = appendHex(b, 0, 8)\n",
	}, pkg: "./sinks/redis", run: "^TestConformanceEmbedded$"},
	{mutant: mutant{
		name: "no fence",
		file: "sinks/redis/fence.go",
		old:  "\tpipeline.Do(ctx, \"multi\")\n\tif err := pipeline.BatchProcess",
		new:  "\tpipeline.Do(ctx, \"unwatch\")\n\tpipeline.Do(ctx, \"multi\")\n\tif err := pipeline.BatchProcess",
	}, pkg: "./sinks/redis", run: "^TestConformanceEmbedded$"},
	{mutant: mutant{
		name: "a replay is not silent",
		file: "pipeline/ownership.go",
		old:  "\t\tcase rec.Offset < own.bound(p):\n",
		new:  "\t\tcase rec.Offset < own.bound(p) && p.committed == 0:\n",
	}, pkg: "./pipeline", run: "^(TestARestartRebuildsSilentlyAndContinuesTheNumbers|TestHandOver)$"},
	{mutant: mutant{
		name: "a checkpoint's offsets are off by one",
		file: "pipeline/saving.go",
		old:  "cuts[id.Source] = append(cuts[id.Source], cut(id))",
		new:  "cuts[id.Source] = append(cuts[id.Source], cut(id)+1)",
	}, pkg: "./pipeline", run: "^(TestADrainEndsWithACheckpointOfEverything|TestOffsetsSetBackRepeatNothing)$"},
	{mutant: mutant{
		name: "a manifest before the data that it names is safe",
		file: "pipeline/checkpoint/cycle.go",
		old:  "\t\terr = w.Sync()\n",
		new:  "",
	}, pkg: "./pipeline/checkpoint", run: "^TestPowerLossAtEveryStepLeavesACheckpoint$"},
	{mutant: mutant{
		name: "the folder is not synced behind the manifest",
		file: "pipeline/checkpoint/cycle.go",
		old:  "\tif err := c.store.fs.SyncDir(); err != nil {\n\t\treturn fmt.Errorf(\"sync the folder of checkpoints: %w\", err)\n\t}\n\tif _, err",
		new:  "\tif _, err",
	}, pkg: "./pipeline/checkpoint", run: "^TestPowerLossAtEveryStepLeavesACheckpoint$"},
	{mutant: mutant{
		name: "an end of a transaction whose outcome is unknown is taken for done",
		file: "sinks/kafka/session.go",
		old:  "\ts.fail(err)\n\treturn err\n}\n\n// Close ends",
		new:  "\ts.fail(err)\n\treturn nil\n}\n\n// Close ends",
	}, pkg: "./sources/kafka", run: "^TestErrorMatrix$"},
	{mutant: mutant{
		name: "a reset goes to the newest record",
		file: "sources/kafka/consumer.go",
		old:  "kgo.ConsumeResetOffset(kgo.NoResetOffset())",
		new:  "kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd())",
	}, pkg: "./sources/kafka", run: "^TestAGapThatOpensWhileItRunsIsFatal$"},
	{mutant: mutant{
		name: "a watermark of all partitions",
		file: "features/admit.go",
		old:  "\tif p != nil && p.watermark-ev.Time > src",
		new:  "\tif p != nil && s.newest-ev.Time > src",
	}, pkg: "./verify", run: "^TestEngineEqualsOracle$"},
	{mutant: mutant{
		name: "records in the order of a map",
		file: "pipeline/batch.go",
		old:  "\t\tslices.SortFunc(come, b.compare)\n",
		new:  "\t\tshuffled := map[int32]bool{}\n\t\tfor _, i := range come {\n\t\t\tshuffled[i] = true\n\t\t}\n\t\tcome = come[:0]\n\t\tfor i := range shuffled {\n\t\t\tcome = append(come, i)\n\t\t}\n",
	}, pkg: "./pipeline", run: "^(TestSameBatchesSameBytes|TestTheBatchMergesItsPartitionsByRunningMaximum)$"},
	{mutant: mutant{
		name: "the newest transactions of rows are not missed when they are lost",
		file: "sinks/redis/heartbeat.go",
		old:  "\tolder := placeOf(found) < needed\n",
		new:  "\tolder := placeOf(found) < needed && (placeOf(found) == \"\" || placeOf(found)[:beatDigits-1] < needed[:beatDigits-1])\n",
	}, pkg: "./sinks/redis", run: "^TestAFailoverThatLosesRows$", real: true},
}

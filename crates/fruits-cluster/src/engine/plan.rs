//! The one kind of plan there is: a union of one-row projections of our function, a task each. Whoever reaches a port of a
//! member could send any other, which would read and write files; none is taken.

use std::any::Any;
use std::sync::Arc;

use ballista_core::JobId;
use ballista_core::execution_plans::ShuffleWriterExec;
use ballista_executor::execution_engine::{
    DefaultExecutionEngine, ExecutionEngine, QueryStageExecutor,
};
use bytes::BufMut;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::config::ConfigOptions;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr, expressions::Literal};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::prelude::SessionConfig;
use datafusion_proto::logical_plan::{AsLogicalPlan, LogicalExtensionCodec};
use datafusion_proto::physical_plan::{AsExecutionPlan, PhysicalExtensionCodec};
use datafusion_proto::protobuf::PhysicalPlanNode;

use super::session::{FUNCTION, function};

/// A union of projections of one row each: a partition, and so a task, a text.
pub fn plan(texts: &[String]) -> Result<Arc<dyn ExecutionPlan>> {
    let options = Arc::new(ConfigOptions::new());
    let one = |text: &String| {
        let text = Literal::new(ScalarValue::Utf8(Some(text.clone())));
        let call: Arc<dyn PhysicalExpr> = Arc::new(ScalarFunctionExpr::new(
            FUNCTION,
            function(None),
            vec![Arc::new(text)],
            Arc::new(Field::new(FUNCTION, DataType::Utf8, true)),
            options.clone(),
        ));
        let row = Arc::new(PlaceholderRowExec::new(Arc::new(Schema::empty())));
        let projection = ProjectionExec::try_new(vec![(call, FUNCTION.to_owned())], row)?;
        Ok(Arc::new(projection) as Arc<dyn ExecutionPlan>)
    };
    let mut parts = texts.iter().map(one).collect::<Result<Vec<_>>>()?;
    match parts.len() {
        1 => Ok(parts.remove(0)),
        _ => UnionExec::try_new(parts),
    }
}

/// Refuses whatever [`plan`] did not make. The scheduler cuts a plan down to the tasks of one worker: then nothing stands below
/// the other projections: rows in memory, of which there are none.
fn check(plan: &Arc<dyn ExecutionPlan>) -> Result<()> {
    let parts = match plan.is::<UnionExec>() {
        true => plan.children(),
        false => vec![plan],
    };
    match parts.into_iter().all(is_a_task) {
        true => Ok(()),
        false => Err(refused("plan")),
    }
}

fn is_a_task(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let Some(projection) = plan.downcast_ref::<ProjectionExec>() else {
        return false;
    };
    let input = projection.input();
    let is_row = input.is::<PlaceholderRowExec>() || is_nothing(input);
    is_row && matches!(projection.expr(), [call] if is_a_call(&call.expr))
}

fn is_nothing(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let Some(source) = plan.downcast_ref::<DataSourceExec>() else {
        return false;
    };
    let source: &dyn Any = source.data_source().as_ref();
    let rows = source.downcast_ref::<MemorySourceConfig>();
    rows.is_some_and(|rows| rows.partitions().is_empty())
}

fn is_a_call(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let Some(call) = expr.downcast_ref::<ScalarFunctionExpr>() else {
        return false;
    };
    let [text] = call.args() else {
        return false;
    };
    let text = text.downcast_ref::<Literal>().map(Literal::value);
    let is_ours = call.name() == FUNCTION && call.fun().name() == FUNCTION;
    is_ours && matches!(text, Some(ScalarValue::Utf8(Some(_))))
}

fn refused(what: &str) -> DataFusionError {
    DataFusionError::Execution(format!(
        "this {what} is refused: the members of this cluster do tasks of fruits, and nothing else"
    ))
}

/// A plan as a scheduler takes it.
#[derive(Debug, Clone)]
pub struct Tasks(PhysicalPlanNode);

impl AsExecutionPlan for Tasks {
    fn try_decode(buf: &[u8]) -> Result<Self> {
        PhysicalPlanNode::try_decode(buf).map(Self)
    }

    fn try_encode<B: BufMut>(&self, buf: &mut B) -> Result<()> {
        self.0.try_encode(buf)
    }

    fn try_into_physical_plan(
        &self,
        ctx: &TaskContext,
        codec: &dyn PhysicalExtensionCodec,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.0.try_into_physical_plan(ctx, codec)?;
        check(&plan)?;
        Ok(plan)
    }

    fn try_from_physical_plan(
        plan: Arc<dyn ExecutionPlan>,
        codec: &dyn PhysicalExtensionCodec,
    ) -> Result<Self> {
        PhysicalPlanNode::try_from_physical_plan(plan, codec).map(Self)
    }
}

/// A query, of which a scheduler takes none.
#[derive(Debug, Clone)]
pub struct Query;

impl AsLogicalPlan for Query {
    fn try_decode(_: &[u8]) -> Result<Self> {
        Err(refused("query"))
    }

    fn try_encode<B: BufMut>(&self, _: &mut B) -> Result<()> {
        Err(refused("query"))
    }

    fn try_into_logical_plan(
        &self,
        _: &TaskContext,
        _: &dyn LogicalExtensionCodec,
    ) -> Result<LogicalPlan> {
        Err(refused("query"))
    }

    fn try_from_logical_plan(_: &LogicalPlan, _: &dyn LogicalExtensionCodec) -> Result<Self> {
        Err(refused("query"))
    }
}

/// A worker's own look at what it is to do: its port takes plans of anybody, not of the scheduler alone.
pub struct TasksOnly(DefaultExecutionEngine);

impl TasksOnly {
    pub fn new() -> Self {
        Self(DefaultExecutionEngine::new())
    }
}

impl ExecutionEngine for TasksOnly {
    fn create_query_stage_exec(
        &self,
        job_id: JobId,
        stage_id: usize,
        task_id: usize,
        global_output_partition_ids: Vec<usize>,
        plan: Arc<dyn ExecutionPlan>,
        work_dir: &str,
        config: &SessionConfig,
    ) -> Result<Arc<dyn QueryStageExecutor>> {
        // It becomes a folder below `work_dir`.
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        if !is_name(job_id.as_str()) {
            return Err(refused("job"));
        }
        match plan.downcast_ref::<ShuffleWriterExec>() {
            Some(_) => plan.children().into_iter().try_for_each(check)?,
            None => return Err(refused("stage")),
        }
        self.0.create_query_stage_exec(
            job_id,
            stage_id,
            task_id,
            global_output_partition_ids,
            plan,
            work_dir,
            config,
        )
    }
}

#[cfg(test)]
mod tests {
    use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
    use datafusion::physical_plan::empty::EmptyExec;
    use datafusion::physical_plan::limit::GlobalLimitExec;

    use super::*;

    fn of(n: usize) -> Arc<dyn ExecutionPlan> {
        let texts: Vec<_> = (0..n).map(|i| i.to_string()).collect();
        plan(&texts).unwrap()
    }

    #[test]
    fn a_task_is_a_partition() {
        let partitions = |n| of(n).properties().output_partitioning().partition_count();
        assert_eq!([1, 2, 5].map(partitions), [1, 2, 5]);
    }

    #[test]
    fn no_plan_but_ours_is_taken() {
        assert!(check(&of(1)).is_ok() && check(&of(5)).is_ok());
        let empty = Arc::new(Schema::empty());
        let row: Arc<dyn ExecutionPlan> = Arc::new(PlaceholderRowExec::new(Arc::clone(&empty)));
        let project = |exprs: Vec<Arc<dyn PhysicalExpr>>, input| {
            let named = exprs.into_iter().map(|expr| (expr, "x".to_owned()));
            Arc::new(ProjectionExec::try_new(named.collect::<Vec<_>>(), input).unwrap())
        };
        let text = || -> Arc<dyn PhysicalExpr> { Arc::new(Literal::new(ScalarValue::from("x"))) };
        let number: Arc<dyn PhysicalExpr> = Arc::new(Literal::new(ScalarValue::from(1)));
        let options = Arc::new(ConfigOptions::new());
        let call = |name: &str, args| -> Arc<dyn PhysicalExpr> {
            let field = Arc::new(Field::new("x", DataType::Utf8, true));
            Arc::new(ScalarFunctionExpr::new(
                name,
                function(None),
                args,
                field,
                options.clone(),
            ))
        };
        let ours = || call(FUNCTION, vec![text()]);
        assert!(check(&(project(vec![ours()], row.clone()) as _)).is_ok());

        // As the scheduler cuts it down.
        let nothing = || MemorySourceConfig::try_new_exec(&[], empty.clone(), None).unwrap();
        assert!(check(&(project(vec![ours()], nothing()) as _)).is_ok());
        let none = EmptyExec::new(Arc::clone(&empty)).with_partitions(0);

        let bad: [Arc<dyn ExecutionPlan>; 12] = [
            row.clone(),
            project(vec![text()], row.clone()),
            project(vec![call("another", vec![text()])], row.clone()),
            project(vec![call(FUNCTION, vec![number])], row.clone()),
            project(vec![call(FUNCTION, vec![ours()])], row.clone()),
            project(vec![ours(), ours()], row.clone()),
            project(vec![ours()], Arc::new(EmptyExec::new(Arc::clone(&empty)))),
            project(vec![ours()], Arc::new(none)),
            project(
                vec![ours()],
                MemorySourceConfig::try_new_exec(&[vec![]], empty.clone(), None).unwrap(),
            ),
            nothing(),
            Arc::new(CoalescePartitionsExec::new(of(2))),
            UnionExec::try_new(vec![
                of(2).children()[0].clone(),
                Arc::new(GlobalLimitExec::new(of(1), 0, Some(1))),
            ])
            .unwrap(),
        ];
        for plan in bad {
            assert!(check(&plan).is_err(), "{plan:?}");
            // Nor does a worker take what it would do of ours, if it is not what a scheduler hands out.
            let job = JobId::from("a1".to_owned());
            let config = SessionConfig::new();
            let staged = TasksOnly::new().create_query_stage_exec(
                job,
                1,
                1,
                vec![0],
                plan,
                "/nowhere",
                &config,
            );
            assert!(staged.is_err());
        }
        assert!(Query::try_decode(&[]).is_err());
    }

    #[test]
    fn no_job_names_a_folder_elsewhere() {
        let stage = |job: &str| {
            let job = JobId::from(job.to_owned());
            let plan = ShuffleWriterExec::try_new(job.clone(), 1, of(2), "/nowhere".to_owned());
            let plan = Arc::new(plan.unwrap());
            let config = SessionConfig::new();
            TasksOnly::new().create_query_stage_exec(job, 1, 1, vec![0], plan, "/nowhere", &config)
        };
        assert!(stage("aB3-x").is_ok());
        for job in ["", ".", "..", "../x", "/tmp/x", "a/b"] {
            assert!(stage(job).is_err(), "{job}");
        }
    }
}

//! The site map: each route stands in it together with what it needs of who asks, so that none can be added without.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};
use futures_util::future::Either;

use crate::App;
use crate::access::{Caller, Scope};
use crate::client::Client;
use crate::error::Problem;
use crate::metrics::{Answered, RouteMetrics};

/// What a route needs of who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it says nothing of what is kept here, or is the way in.
    Nothing,
    /// To see everything: `read`.
    Read,
    /// To see tasks: `read`, or `submit`, which shows its own ones alone.
    SeeTasks,
    /// To create tasks: `submit`.
    Submit,
    /// To change the task in the path: `control`, or `submit` if it is its own.
    ChangeTask,
    /// To change what belongs to everybody: `control`.
    Control,
    /// To say who may do what: `admin`.
    Admin,
}

impl Needs {
    /// Whether this caller has it; whose a task is, is looked at when the task is.
    pub fn are_met_by(self, caller: &Caller) -> bool {
        match self {
            Self::Nothing => true,
            Self::Read => caller.may(Scope::Read),
            Self::SeeTasks => caller.may(Scope::Read) || caller.may(Scope::Submit),
            // `control` includes `submit`.
            Self::Submit | Self::ChangeTask => caller.may(Scope::Submit),
            Self::Control => caller.may(Scope::Control),
            Self::Admin => caller.may(Scope::Admin),
        }
    }

    /// The scope that lacks, in words.
    pub(crate) fn scope(self) -> &'static str {
        match self {
            Self::Nothing => "no scope",
            Self::Read => "the scope `read`",
            Self::SeeTasks => "the scope `read`, or `submit` to see its own tasks",
            Self::Submit => "the scope `submit`",
            Self::ChangeTask => "the scope `control`, or `submit` to change its own tasks",
            Self::Control => "the scope `control`",
            Self::Admin => "the scope `admin`",
        }
    }
}

/// A method at a path, and what it needs.
#[derive(Debug, Clone)]
pub struct Route {
    /// Which one; `GET` answers `HEAD` as well.
    pub method: Method,
    /// As axum writes it, such as `/tasks/{id}`.
    pub path: &'static str,
    /// Of who asks.
    pub needs: Needs,
    /// How it is answered.
    metrics: RouteMetrics,
}

/// Routes, each with what it needs.
#[derive(Default)]
pub(crate) struct Map {
    router: Router<App>,
    routes: Vec<Route>,
}

impl Map {
    /// Without any route.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn get<T: 'static>(
        self,
        path: &'static str,
        needs: Needs,
        handler: impl Handler<T, App, Future: Unpin>,
    ) -> Self {
        self.on(Method::GET, MethodFilter::GET, path, needs, handler)
    }

    pub(crate) fn post<T: 'static>(
        self,
        path: &'static str,
        needs: Needs,
        handler: impl Handler<T, App, Future: Unpin>,
    ) -> Self {
        self.on(Method::POST, MethodFilter::POST, path, needs, handler)
    }

    pub(crate) fn patch<T: 'static>(
        self,
        path: &'static str,
        needs: Needs,
        handler: impl Handler<T, App, Future: Unpin>,
    ) -> Self {
        self.on(Method::PATCH, MethodFilter::PATCH, path, needs, handler)
    }

    pub(crate) fn delete<T: 'static>(
        self,
        path: &'static str,
        needs: Needs,
        handler: impl Handler<T, App, Future: Unpin>,
    ) -> Self {
        self.on(Method::DELETE, MethodFilter::DELETE, path, needs, handler)
    }

    fn on<T: 'static>(
        mut self,
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        needs: Needs,
        handler: impl Handler<T, App, Future: Unpin>,
    ) -> Self {
        let metrics = RouteMetrics::new(method.clone(), path);
        self.router = self.router.route(path, on(filter, Guarded { needs, metrics: metrics.clone(), handler }));
        self.routes.push(Route { method, path, needs, metrics });
        self
    }

    /// With those of another one.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.routes.extend(other.routes);
        self
    }

    /// What answers by it.
    pub(crate) fn into_router(self) -> Router<App> {
        self.router
    }

    /// What is measured of each route.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = RouteMetrics> {
        self.routes.iter().map(|route| route.metrics.clone())
    }

    /// What stands in it.
    pub(crate) fn into_routes(self) -> Vec<Route> {
        self.routes
    }
}

/// A handler that is reached by who has what it needs, and by nobody else.
#[derive(Clone)]
struct Guarded<H> {
    needs: Needs,
    metrics: RouteMetrics,
    handler: H,
}

impl<H: Handler<T, App, Future: Unpin>, T> Handler<T, App> for Guarded<H> {
    type Future = Marked<Either<H::Future, Ready<Response>>>;

    fn call(self, request: Request, app: App) -> Self::Future {
        let client = Client::of(request.extensions());
        let answer = match self.needs.are_met_by(client.map_or(&Caller::Unknown, |client| &client.caller)) {
            true => Either::Left(self.handler.call(request, app)),
            false => Either::Right(ready(refusal(&app, &request, self.needs).into_response())),
        };
        Marked { answer, metrics: self.metrics }
    }
}

/// An answer that will say of which route it is.
pub(crate) struct Marked<F> {
    answer: F,
    metrics: RouteMetrics,
}

impl<F: Future<Output = Response> + Unpin> Future for Marked<F> {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response> {
        Pin::new(&mut self.answer).poll(context).map(|mut answer| {
            answer.extensions_mut().insert(Answered(self.metrics.clone()));
            answer
        })
    }
}

/// Why who asks gets nothing.
fn refusal(app: &App, request: &Request, needs: Needs) -> Problem {
    let Some(client) = Client::of(request.extensions()) else { return Problem::unauthorized() };
    client.lacks(app, (request.method(), request.uri()), needs.scope())
}

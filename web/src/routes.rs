//! Routes, each of which stands together with what it needs of who asks, so that none can be added without.

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

use crate::access::Caller;
use crate::app::App;
use crate::client::Client;
use crate::error::Problem;
use crate::hive::Hive;
use crate::metrics::{Answered, RouteMetrics};
use crate::needs::Needs;

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
pub(crate) struct Routes {
    router: Router<App>,
    list: Vec<Route>,
}

impl Routes {
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
        self.list.push(Route { method, path, needs, metrics });
        self
    }

    /// With those of another one.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.list.extend(other.list);
        self
    }

    /// What answers by them.
    pub(crate) fn into_router(self) -> Router<App> {
        self.router
    }

    /// What is measured of each route.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = RouteMetrics> {
        self.list.iter().map(|route| route.metrics.clone())
    }

    /// All of them.
    pub(crate) fn into_list(self) -> Vec<Route> {
        self.list
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
            false => Either::Right(ready(refusal(&*app.hive, &request, self.needs).into_response())),
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
fn refusal(hive: &dyn Hive, request: &Request, needs: Needs) -> Problem {
    let Some(client) = Client::of(request.extensions()) else { return Problem::unauthorized() };
    client.lacks(hive, (request.method(), request.uri()), needs.scope())
}

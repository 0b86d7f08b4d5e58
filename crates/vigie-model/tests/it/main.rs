//! Words of the model beside others who have the same.

mod clustershell;
